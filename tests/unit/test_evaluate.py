"""A user's own images answered by rows of the few-shot study, and the classifier of the best row."""

import csv
import io
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from commands import drawing, evaluate
from commands.answering import choose
from commands.compose import composed, texts
from commands.exporting import exportable
from commands.record import fresh_record, recorded
from farfield.backbones import build
from farfield.datasets.cards import Packing
from farfield.deployment.classifier import load_classifier
from farfield.errors import InputError
from farfield.files import read_json, write_json
from farfield.local import Local
from farfield.metalearning.architecture import Architecture
from farfield.own.images import own_images
from farfield.own.prediction import predict
from farfield.results.comparisons import rank, recommend
from farfield.results.scores import of_episodes
from farfield.training.checkpoints import save_tensors
from farfield.training.classifier import Classifier
from farfield.transfer.feature_learners import FEATURE_LEARNERS
from farfield.transfer.nearest_centroid import NearestCentroid
from stages.frame.models import model_file
from stages.frame.params import load_params

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def here(here) -> Path:
    """The folder to run in, with the parameters of the profile tiny."""
    write_params(here)
    return here


@cache
def tiny(*overrides: str) -> dict[Path, str]:
    conf = REPOSITORY / "conf"
    return texts(composed(recorded([*overrides], fresh_record("tiny", conf), conf), conf))


def write_params(folder: Path, *overrides: str) -> None:
    for path, text in tiny(*overrides).items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)


@pytest.fixture
def models(here) -> Path:
    """Networks as the stages pretrain, weights and metatrain save them, with random weights."""
    params = load_params()
    folder = here / "pipelines/fewshot"
    torch.manual_seed(0)
    for name in params.fewshot.models:
        model = params.networks.all[name]
        backbone = build(model.backbone, width=model.width, image_size=params.image_size)
        facts = {"backbone": model.backbone, "width": model.width, "image_size": params.image_size}
        save_tensors(model_file(name), Classifier(backbone, 6).state_dict(), facts)
    for key, row in params.fewshot.meta.items():
        architecture = Architecture(
            row.learner, row.settings, row.transform, row.backbone, row.width, params.image_size, 5
        )
        save_tensors(
            folder / "meta/models" / key / "1-shot.safetensors",
            architecture.build().state_dict(),
            asdict(architecture),
        )
    return folder


def run(data: Path, *options: str) -> None:
    evaluate.main(evaluate.parsed([str(data), "--episodes", "6", "--adapted-episodes", "2", *options]))


def test_episodes_ask_as_much_as_the_smallest_class_allows(data, here):
    (data / "green/8.png").unlink()
    own = own_images(data, Packing(18), 1)
    episodes = drawing.draw(own, way=5, shot=6, query=15, episodes=4, seed=0)
    assert episodes.rows.shape == (4, 3, 6 + 2)
    [note] = drawing.remarks_on(own, episodes, query=15)
    assert "2 queries a class, not 15: the smallest class, green, has 8 images" in note


def test_a_class_too_small_for_the_shots_is_named_with_the_files_it_lost(data, here):
    (data / "green/8.png").write_bytes(b"damaged")
    own = own_images(data, Packing(18), 1)
    with pytest.raises(InputError, match=r"needs 9 readable.*green has 8\. Left out there: green/8\.png"):
        drawing.draw(own, way=5, shot=8, query=15, episodes=4, seed=0)


def test_without_models_the_user_is_told_how_to_get_them(data, here):
    with pytest.raises(InputError, match=r"no models yet.*make repro"):
        run(data, "--methods", "all")
    with pytest.raises(InputError, match=r"fixed needs .*objects\.safetensors.*make repro"):
        run(data, "--methods", "fixed")
    with pytest.raises(InputError, match=r"no method 'fxied'; METHODS can be .*fixed"):
        run(data, "--methods", "fxied")
    with pytest.raises(
        InputError, match=r"inductive_views shows images in views.*METHODS can be .*inductive, "
    ):
        run(data, "--methods", "inductive_views")


def test_every_row_with_a_model_is_chosen_but_those_that_never_learned(models):
    params = load_params()
    chosen, absent = choose(params, [])
    assert "random" not in chosen
    assert {"protonet", "fixed", "all", "finetuned"} <= set(chosen)
    assert absent == []
    (models / "meta/models/protonet/1-shot.safetensors").unlink()
    assert choose(params, [])[1] == ["ProtoNet"]
    assert choose(params, ["random", "ft_all"])[0] == {"random": ["random"], "all": ["ft_all"]}


def test_from_a_folder_of_images_to_a_classifier_that_names_new_ones(data, models, here, capsys):
    (data / "red/damaged.png").write_bytes(b"damaged")
    run(data, "--methods", "all", "--shots", "3")
    table = pd.read_csv("evaluation/evaluation.csv").set_index("method")
    assert set(table.index) == {
        *("protonet", "fixed", "inductive", "ft_all", "transductive", "mean_centroid"),
        *("all_embeddings", "ims_f"),
    }
    assert table.loc["fixed", "episodes"] == table.loc["protonet", "episodes"] == 6
    assert table.loc["ft_all", "episodes"] == table.loc["ims_f", "episodes"] == 2
    assert (table["seconds"] > 0).all()
    report = Path("evaluation/report.md").read_text()
    assert "3 images of each" in report
    assert "red/damaged.png (not an image that Pillow knows)" in report
    described = read_json(Path("evaluation/classifier/classifier.json"))
    assert described["class_names"] == ["blue", "green", "red"]
    assert described["facts"]["class_images"] == {"blue": 9, "green": 9, "red": 9}
    assert "Apache-2.0" in described["facts"]["licence"]
    capsys.readouterr()

    assert not predict(Path("evaluation/classifier"), [data], Local())
    out, err = capsys.readouterr()
    assert "red/damaged.png: not an image" in err
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == 27
    assert all(Path(row["path"]).parent.name == row["class"] for row in rows)
    assert all(1 / 3 < float(row["probability"]) <= 1 for row in rows)
    assert predict(Path("evaluation/classifier"), [data / "red/0.png"], Local())
    with pytest.raises(InputError, match="nowhere does not exist"):
        predict(Path("evaluation/classifier"), [here / "nowhere"], Local())


@pytest.mark.parametrize("method", ["protonet", "fixed", "ft_all", "mean_centroid"])
def test_every_method_of_one_network_becomes_a_classifier(data, models, method):
    run(data, "--methods", method, "--out", "out")
    _, description = load_classifier(Path("out/classifier"))
    assert description.facts["method"] == load_params().fewshot.rows[method].title
    assert Path("out/classifier/model.onnx").stat().st_size > 1000


def test_models_of_other_parameters_are_not_used(models, here):
    write_params(here, "image_size=17")
    with pytest.raises(InputError, match=r"trained with other parameters than those of params/"):
        choose(load_params(), [])


def test_a_method_that_is_no_single_network_is_not_exported(data, models, monkeypatch):
    fewshot = load_params().fewshot
    assert not any(
        exportable(fewshot, row) for row in ("transductive", "all_embeddings", "ims_f", "inductive_views")
    )
    run(data, "--methods", "transductive")
    assert "no classifier is written" in Path("evaluation/report.md").read_text()
    assert not Path("evaluation/classifier").exists()

    monkeypatch.setattr(evaluate, "recommend", lambda ranking, seconds: max(ranking["method"]))
    run(data, "--methods", "transductive,fixed")
    report = Path("evaluation/report.md").read_text()
    assert "**Recommended: Transductive Ft**" in report
    assert "`classifier/` is Fixed" in report


@pytest.mark.parametrize("exported", [False, True])
def test_a_third_learner_is_exported_if_it_says_so(data, models, monkeypatch, exported):
    class Third(NearestCentroid):
        exportable = exported

    monkeypatch.setattr("farfield.transfer.nearest_centroid.Third", Third, raising=False)
    monkeypatch.setitem(FEATURE_LEARNERS.objects, "third", "nearest_centroid.Third")
    path = Path("params/fewshot.json")
    values = read_json(path)
    values["fewshot"]["transfer"]["fixed"] |= {"learner": "third", "settings": {}}
    write_json(path, values)
    run(data, "--methods", "fixed")
    assert Path("evaluation/classifier").exists() == exported
    assert ("no classifier is written" in Path("evaluation/report.md").read_text()) == (not exported)


def test_a_folder_of_the_user_is_never_replaced(data, models, here):
    (here / "evaluation/classifier").mkdir(parents=True)
    (here / "evaluation/classifier/mine.txt").touch()
    with pytest.raises(InputError, match=r"holds no classifier\.json"):
        run(data)
    with pytest.raises(InputError, match="lies inside"):
        run(data, "--out", str(data / "out"))


def results(**accuracies: list[float]) -> pd.DataFrame:
    frames = [
        pd.DataFrame({"method": name, "episode": range(len(values)), "accuracy": values})
        for name, values in accuracies.items()
    ]
    return pd.concat(frames).assign(dataset="mine", shot=5)


def scores(**accuracies: list[float]) -> pd.DataFrame:
    return of_episodes("own images", results(**accuracies))


def test_the_cheapest_of_the_best_is_recommended():
    hard = np.random.default_rng(0).normal(60, 15, 50)
    noise = np.random.default_rng(1).normal(0, 1, 50)
    table = scores(good=hard + 10, close=hard + 10 + noise - noise.mean() - 0.1, cheap=hard)
    ranking = rank(table, ["cheap", "close", "good"], seed=0)
    assert ranking["method"].tolist() == ["good", "close", "cheap"]
    assert ranking["tied"].tolist() == [True, True, False]
    assert ranking["difference"].tolist() == pytest.approx([0, -0.1, -10])
    assert recommend(ranking, {"good": 9.0, "close": 3.0, "cheap": 1.0}) == "close"
    assert recommend(ranking, {"good": 3.3, "close": 3.0, "cheap": 1.0}) == "good"


def test_methods_with_fewer_episodes_are_judged_on_the_episodes_that_they_share():
    hard = np.random.default_rng(0).normal(60, 15, 50)
    hard[:10] += 20  # the first episodes are easy
    ranking = rank(scores(frozen=hard, adapted=(hard - 5)[:10]), ["adapted", "frozen"], seed=0)
    assert ranking["method"].tolist() == ["frozen", "adapted"]
    assert ranking["difference"].tolist() == pytest.approx([0, -5])


def test_after_few_episodes_a_clearly_lower_accuracy_is_no_tie():
    ranking = rank(scores(good=[80.0, 90, 70], low=[90.0, 40, 60]), ["good", "low"], seed=0)
    assert ranking["tied"].tolist() == [True, False]


def test_a_single_method_is_its_own_best():
    assert rank(scores(only=[50.0, 60]), ["only"], seed=0)["method"].tolist() == ["only"]
