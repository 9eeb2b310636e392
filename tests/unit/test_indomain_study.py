"""The in-domain study: its parameters, its training on features, what follows from its results, and its page."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from headless import problems_of_site
from made_up_study import dataset
from test_params import changed, tiny
from test_site import Reader

from farfield.backbones import build
from farfield.errors import InputError
from farfield.metalearning import meta_learner
from farfield.metalearning.evaluation import evaluate_meta
from farfield.metalearning.tasks import Domain, Tasks
from farfield.metalearning.training import Episodic, meta_train
from farfield.report.indomain import Trained, indomain_headline, indomain_page
from farfield.report.numbers import metrics
from farfield.report.site import write_site
from farfield.results.findings import Findings
from farfield.results.indomain import FROM_SCRATCH, gains, indomain_study, judge_indomain
from farfield.results.study import MARK
from farfield.seeds import stream
from farfield.training.recipe import Recipe
from stages.frame.params import check_params

CPU = torch.device("cpu")
RECIPE = Recipe(epochs=2, batch_size=4, learning_rate=0.01, augmentation=None)

# Parameters


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("indomain.datasets.objects.network", "lite0", "weights are given and have seen ImageNet"),
        ("indomain.datasets.objects.network", "nothing", "not one of networks.trained"),
        ("networks.trained.spine.split", "all", "may have seen classes of the test"),
        ("indomain.reference", "fixed", "is not one of the rows"),
        ("indomain.common.start", "scratch", "must be network or features"),
        ("indomain.rows.protonet.own.networks", [], "at least 1"),
        (
            "indomain.rows.protonet.own.networks",
            [{"way": 5, "shots": [2, 1], "query": 2}],
            "shots are the fewest and the most",
        ),
        ("indomain.shots", [1, 5, 10, 1], "is given twice"),
    ],
)
def test_parameters_that_would_make_the_table_dishonest_or_impossible(key, value, message):
    with pytest.raises(InputError, match=message):
        check_params(changed(key, value), "params.yaml")


def test_one_network_serves_all_shots_or_each_has_its_own():
    two = [{"way": 5, "shots": [1, 1], "query": 2}, {"way": 4, "shots": [2, 3], "query": 2}]
    params = check_params(changed("indomain.rows.protonet.own.networks", two), "params.yaml")
    assert params.indomain.rows["protonet"].own.networks[1].shots == (2, 3)
    with pytest.raises(InputError, match="has 3 networks for 2 numbers of shots"):
        check_params(changed("indomain.rows.protonet.own.networks", [*two, two[0]]), "params.yaml")
    assert tiny()["indomain"]["rows"].keys() == {"protonet", "classifier_baseline"}


# Training


def clouds(classes: int = 12, images: int = 20, dim: int = 8, spread: float = 1.0) -> Domain:
    """Classes that differ in two of the coordinates; the others are loud and say nothing."""
    random = stream(0, "clouds")
    labels = np.repeat(np.arange(classes), images) * 10 + 3  # not from 0, and with gaps
    centres = np.zeros((classes, dim))
    centres[:, :2] = random.normal(0, 3, (classes, 2))
    values = centres.repeat(images, 0) + random.normal(0, spread, (len(labels), dim))
    values[:, 2:] *= 6
    return Domain("clouds", torch.from_numpy(values).float(), np.arange(len(labels)), labels)


def tasks_of(domain: Domain, fewest: int = 0, recipe: Recipe = RECIPE) -> Tasks:
    episodes = domain.episodes(way=3, shot=4, query=2, episodes=9, seed=0)
    return Tasks(domain, episodes, recipe, 0, CPU, 0, ("clouds", 1), fewest)


def test_tasks_on_features_are_their_rows_and_whole_steps():
    domain = clouds()
    tasks = tasks_of(domain)
    support, query = tasks.batch(range(1, 3))
    assert support.shape == (2, 3, 4, 8)
    assert torch.equal(query[1, 3], domain.images[tasks.episodes.query[2, 3]])
    assert tasks.parts(range(0, 4)) == [range(0, 4)]
    expected = (tasks.episodes.classes[1:3] - 3) // 10
    assert tasks.classes(range(1, 3)).tolist() == expected.tolist()


def test_shots_are_drawn_from_the_fewest_to_the_most():
    tasks = tasks_of(clouds(), fewest=2)
    found = [tasks.batch(range(i, i + 1)) for i in range(9)]
    assert {support.shape[2] for support, _ in found} == {2, 3, 4}
    assert all(query.shape[1] == 6 for _, query in found)
    whole, _ = tasks_of(clouds()).batch(range(0, 1))
    shots = found[0][0].shape[2]
    assert torch.equal(found[0][0], whole[:, :, :shots])


def test_base_images_come_with_the_places_of_their_classes():
    domain = clouds()
    values, places = tasks_of(domain).base_batch(0, 50)
    for value, place in zip(values, places, strict=True):
        row = (domain.images == value).all(1).nonzero()[0, 0]
        assert domain.labels[row] == domain.classes[place]


@pytest.mark.parametrize("name", ["parameter_predictor", "weight_generator", "leo"])
def test_heads_learn_on_features_what_is_worth_listening_to(name):
    domain = clouds()
    settings = {"leo": {"latent": 4, "steps": 2, "weight_steps": 1, "dropout": 0.0}}.get(
        name, {"classes": 12}
    )
    if name == "weight_generator":
        settings["novel"] = 3

    def accuracy(learner) -> float:
        episodes = domain.episodes(way=5, shot=3, query=5, episodes=60, seed=1)
        table = evaluate_meta(learner, domain.images, episodes, image_size=0, device=CPU)
        return float(table["accuracy"].mean())

    torch.manual_seed(0)
    learner = meta_learner(name, build("features", width=8), 5, settings)
    learner.prepare(domain.images, torch.from_numpy((domain.labels - 3) // 10))
    before = accuracy(learner)
    recipe = replace(RECIPE, epochs=4, batch_size=8)
    way = 6 if name == "weight_generator" else 5
    meta_train(learner, domain, recipe, Episodic(way, 3, 4, 80), image_size=0, seed=0, device=CPU)
    assert accuracy(learner) > before + 5


def test_auxiliary_steps_have_an_optimizer_of_their_own_and_stand_before_the_episode_s(monkeypatch):
    images = torch.randint(0, 255, (48, 16, 16, 3), dtype=torch.uint8)
    domain = Domain("noise", images, np.arange(48), np.repeat(np.arange(6), 8))
    torch.manual_seed(0)
    learner = meta_learner("tadam", build("conv4", width=4, image_size=16), 3, {"classes": 6})
    order = []
    for name in ("auxiliary_loss", "loss"):
        whole = getattr(learner, name)
        monkeypatch.setattr(learner, name, lambda *a, n=name, f=whole: (order.append(n), f(*a))[1])
    episodic = Episodic(3, 2, 2, 20, auxiliary=8, clip_value=0.5, clip_norm=1.0)
    meta_train(learner, domain, replace(RECIPE, epochs=1), episodic, image_size=16, seed=0, device=CPU)
    assert order.count("loss") == 20
    assert 0 < order.count("auxiliary_loss") <= 5  # of five steps, each with probability 0.9 and less
    assert order[0] == "auxiliary_loss"


def test_gradients_are_clipped_one_by_one_and_then_together():
    domain = clouds()
    moved = []
    for settings in ({}, {"clip_value": 1e-4}, {"clip_norm": 1e-3}):
        torch.manual_seed(0)
        learner = meta_learner("parameter_predictor", build("features", width=8), 3, {"classes": 12})
        start = [p.detach().clone() for p in learner.parameters()]
        recipe = Recipe(
            epochs=1, batch_size=8, optimizer="sgd", momentum=0, learning_rate=1.0, augmentation=None
        )
        meta_train(
            learner, domain, recipe, Episodic(3, 2, 2, 8, **settings), image_size=0, seed=0, device=CPU
        )
        moved.append(torch.cat([(p - s).flatten() for p, s in zip(learner.parameters(), start, strict=True)]))
    free, by_value, by_norm = moved
    torch.testing.assert_close(by_value, free.clamp(-1e-4, 1e-4), atol=1e-6, rtol=1e-3)
    torch.testing.assert_close(by_norm, free / free.norm() * 1e-3, atol=1e-6, rtol=1e-2)


# Results

LEVELS = {"classifier_baseline": 70, "protonet": 60, "tpn": 66, "metaopt_svm": 62, "metaopt_svm_trainval": 62}
TITLES = {"tpn": "TPN" + MARK}
PUBLISHED = {
    "protonet": "Prototypical Networks",
    "tpn": "Transductive Prop Nets",
    "metaopt_svm": "MetaOptNet-SVM",
    "metaopt_svm_trainval": "MetaOptNet-SVM-trainval",
}


def results(episodes: int = 40) -> pd.DataFrame:
    frames = []
    for shot in (1, 5):
        hard = stream(0, "hard", shot).normal(0, 1.5, episodes)
        for method, level in LEVELS.items():
            for column in ("own", "common"):
                for trained in (True, False):
                    noise = stream(1, method, column, shot, int(trained)).normal(0, 2, episodes)
                    value = level + 10 * (shot == 5) - 20 * (not trained) + hard + noise
                    frames.append(
                        pd.DataFrame(
                            {
                                "method": method,
                                "dataset": "objects",
                                "shot": shot,
                                "column": column,
                                "trained": trained,
                                "episode": np.arange(episodes),
                                "accuracy": value,
                            }
                        ).iloc[: None if trained else 15]
                    )
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def found():
    rows = {
        key: {
            "title": TITLES.get(key, key),
            "published": PUBLISHED.get(key, ""),
            "family": "from features" if key == "classifier_baseline" else FROM_SCRATCH,
            "transductive": key == "tpn",
        }
        for key in LEVELS
    }
    cards = {"objects": dataset("Objects", "", procedural=True)}
    study = indomain_study(results(), rows, cards, "classifier_baseline", 0, ["Trained for seconds."])
    return Findings(study, judge_indomain)


def test_columns_are_cells_of_their_own_and_untrained_answers_are_none(found):
    assert found.study.cells == [f"objects {k}-shot {c}" for k in (1, 5) for c in ("common", "own")]
    assert len(found.study.scores) == 5 * 2 * 2 * 40


def test_gains_are_over_the_episodes_that_were_answered_twice():
    table = results()
    found = gains(table, 0)
    assert len(found) == 5 * 2 * 2
    own = table[(table["method"] == "tpn") & (table["column"] == "own") & (table["shot"] == 5)]
    wide = own.pivot(index="episode", columns="trained", values="accuracy").dropna()
    apart = wide[True] - wide[False]
    one = found["tpn", "objects", 5, "own"]
    assert one.difference == pytest.approx(apart.mean())
    assert one.ci95 == pytest.approx(1.96 * apart.std(ddof=0) / 15**0.5)
    assert one.reach == pytest.approx(2.1448 * apart.std(ddof=1) / 15**0.5, rel=1e-3)  # Student's at 14
    assert one.verdict == "supported"


def test_claims_are_the_differences_that_they_say(found):
    table = results()
    means = table[table["trained"]].groupby(["method", "shot", "column"])["accuracy"].mean()
    judged = {one.claim.key: one for one in found.claims}
    assert {key: one.verdict for key, one in judged.items()} == {
        "five_shots_above_one": "supported",
        "transductive_above_inductive": "supported",
        "pretraining_above_meta_training": "supported",
        "trainval_adds": "undecided",
    }

    def value(key):
        return judged[key].first.whole.difference

    own = means.xs("own", level="column")
    assert value("five_shots_above_one") == pytest.approx((own.xs(5, level=1) - own.xs(1, level=1)).mean())
    assert value("transductive_above_inductive") == pytest.approx(
        means["tpn", 1, "common"] - means["protonet", 1, "common"]
    )
    scratch = own.drop("classifier_baseline").mean()
    assert value("pretraining_above_meta_training") == pytest.approx(
        own["classifier_baseline"].mean() - scratch
    )
    talk = judged["transductive_above_inductive"].first.talk
    assert talk.difference == pytest.approx((55.51 - 49.42 + 59.91 - 53.31) / 2)
    assert judged["trainval_adds"].first.talk.difference == pytest.approx(
        (64.09 - 62.64 + 80.00 - 78.63 + 65.81 - 65.99 + 81.75 - 81.56) / 4
    )
    assert judged["pretraining_above_meta_training"].first.talk is None


def test_a_claim_of_too_few_episodes_is_not_decided(found):
    study = found.study
    few = replace(study, scores=study.scores[study.scores["unit"] < 4])
    judged = {one.claim.key: one.verdict for one in judge_indomain(few)}
    assert judged["five_shots_above_one"] == "not enough episodes"


@pytest.fixture
def site(found, tmp_path):
    """The page, as the first page too."""
    told = [
        Trained(
            key,
            "objects",
            column,
            "scratch",
            "conv4, width 16",
            28_000,
            "train+val",
            56,
            "5-way",
            "adam",
            80,
            "600",
            "",
        )
        for key in LEVELS
        for column in ("own", "common")
    ]
    page = indomain_page(found, told, gains(results(), 0)).drawn
    write_site(tmp_path / "site", [replace(page, slug="index", title="Overview"), page])
    return tmp_path / "site"


def test_the_page_answers_on_every_screen(site):
    assert problems_of_site(site) == []


def test_the_page_shows_both_columns_the_published_numbers_and_where_they_are_from(found, site):
    assert indomain_headline(found).table.columns[1].group == "own recipe"
    text = Reader((site / "indomain.html").read_text(encoding="utf-8")).text
    for expected in (
        "published, on the real miniImageNet",
        "55.51",
        "own recipe",
        "common recipe",
        "TPN [T]",
    ):
        assert expected in text
    assert "Trained for seconds." in text
    csv = pd.read_csv(site / "indomain.csv")
    assert set(csv["recipe"]) == {"own", "common"}
    assert "| TPN [T]" in (site / "indomain.md").read_text(encoding="utf-8")
    means = found.summary.set_index(["row", "cell"])["mean"]
    assert metrics(found.summary)["tpn"]["objects"]["5-shot"] == {
        column: pytest.approx(means["tpn", f"objects 5-shot {column}"], abs=0.5)
        for column in ("own", "common")
    }
