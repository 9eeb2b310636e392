"""Fine-tuning studies: statistics, claims, score, tables and pages, from answers made up for the purpose."""

import io
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from headless import problems_of_site
from made_up_study import dataset
from made_up_tuning import (
    BLOCKS,
    DATASETS,
    IMAGES,
    METHODS,
    all_pages,
    answers,
    decathlon,
    one_for_all,
    record,
    row,
    spottune,
)
from PIL import Image
from scipy.stats import t
from test_site import Reader, well_formed

from farfield.errors import InputError
from farfield.report.cells import markdown
from farfield.report.examples import thumbnail
from farfield.report.histograms import usage_histograms
from farfield.report.numbers import rounded
from farfield.report.policies import image_table, policies_page
from farfield.report.score_table import score_table
from farfield.report.site import write_site
from farfield.report.tables import accuracy_table, paired_table, trainings_table
from farfield.report.tuning import tuning_claims, tuning_metrics, tuning_page, tuning_pages
from farfield.results.derived import decathlon_scores
from farfield.results.families import PolicyRecord, TuningStudy, tuning_study
from farfield.results.findings import Findings
from farfield.results.intervals import compare, summarise
from farfield.results.judging import judge_tuning
from farfield.results.policies import differs, entropy, extremes, tuned_shares, usage
from farfield.results.published import table as published_table
from farfield.results.row_claims import ROUTING
from farfield.results.scores import of_answers


def found(study: TuningStudy) -> Findings[TuningStudy]:
    return Findings(study, judge_tuning)


def real() -> Findings[TuningStudy]:
    """What follows from the answers on real images."""
    return found(spottune()).parts["real images"]


def handmade(correct: dict[str, list[list[int]]], **changed: object) -> TuningStudy:
    """A study on one dataset from `correct`: by method, for each training, 1 for a right answer."""
    frames = [
        pd.DataFrame(
            {
                "method": method,
                "dataset": "cub",
                "replicate": replicate,
                "row": range(len(right)),
                "draw": 0,
                "label": 0,
                "prediction": 1 - np.array(right),
            }
        )
        for method, trainings in correct.items()
        for replicate, right in enumerate(trainings)
    ]
    settings = {"rows": METHODS, "datasets": DATASETS, "reference": "standard"} | changed
    return tuning_study("spottune", pd.concat(frames), **settings)


# Statistics


def test_draws_of_a_policy_count_by_their_mean_and_not_as_more_images():
    study = handmade({"standard": [[1, 1, 0, 0]], "features": [[1, 0, 0, 0]]})
    second = study.scores[study.scores["row"] == "features"].assign(value=[100.0, 0.0, 100.0, 100.0])
    drawn = replace(study, scores=pd.concat([study.scores, second]))
    summary = summarise(drawn).set_index("row")
    assert summary.loc["features", ["units", "trainings", "mean"]].tolist() == [4, 1, 50.0]
    hits = np.array([100, 0, 50, 50])
    assert summary.loc["features", "ci95"] == pytest.approx(1.96 * hits.std() / 2)


def test_accuracy_has_an_interval_over_images_and_a_deviation_over_trainings():
    study = handmade({"standard": [[1, 1, 0, 0], [1, 1, 1, 0]], "features": [[1, 0, 0, 0]]})
    standard, features = summarise(study).sort_values("trainings", ascending=False).to_dict("records")
    hits = np.array([100, 100, 50, 0])
    assert standard["mean"] == 62.5
    assert standard["ci95"] == pytest.approx(1.96 * hits.std() / 2)
    assert standard["std"] == pytest.approx(np.std([50, 75], ddof=1))
    assert standard["trainings_ci95"] == pytest.approx(12.706 * np.std([50, 75], ddof=1) / 2**0.5, rel=1e-3)
    assert features["mean"] == 25
    assert np.isnan(features["std"])


def test_a_difference_of_single_trainings_is_that_of_paired_images():
    """Of two networks it is McNemar's question, and its p-value nearly McNemar's."""
    study = spottune()
    single = replace(study, scores=study.scores[study.scores["training"] == "0"])
    got = compare(single, "spottune", "standard", ["cub"])
    wide = single.units["cub"] / 100
    d = wide["spottune"] - wide["standard"]
    assert got.difference == pytest.approx(100 * d.mean())
    half = t.ppf(0.975, IMAGES - 1) * 100 * d.std() / IMAGES**0.5
    assert got.ci95 == pytest.approx(half)
    assert not got.over_trainings
    won, lost = int((d > 0).sum()), int((d < 0).sum())
    mcnemar = (won - lost) ** 2 / (won + lost)
    assert t.isf(got.p / 2, IMAGES - 1) ** 2 == pytest.approx(mcnemar, rel=0.2)


def test_trainings_of_both_sides_widen_the_interval():
    study = spottune()
    got = compare(study, "spottune", "standard", ["cub"])
    d = study.units["cub"]["spottune"] - study.units["cub"]["standard"]
    own, other = (study.trained[m, "cub", "accuracy"]["value"] for m in ("spottune", "standard"))
    variances = np.array([d.var() / IMAGES, own.var() / 3, other.var() / 3])
    freedom = variances.sum() ** 2 / (variances**2 / [IMAGES - 1, 2, 2]).sum()
    assert got.over_trainings
    assert got.ci95 == pytest.approx(t.ppf(0.975, freedom) * variances.sum() ** 0.5)


def test_rows_of_one_training_are_paired_by_training_too():
    """Trainings differ widely, but the same network is better by one image in each of them."""
    good = [[1] * 8 + [0] * 12, [1] * 18 + [0] * 2]
    worse = [[1] * 7 + [0] * 13, [1] * 17 + [0] * 3]
    same = handmade({"spottune": good, "running_tuned": worse})
    apart = handmade({"spottune": good, "standard": worse})
    paired = compare(same, "spottune", "running_tuned", ["cub"])
    unpaired = compare(apart, "spottune", "standard", ["cub"])
    assert paired.difference == unpaired.difference == pytest.approx(5.0)
    assert paired.over_trainings
    assert paired.ci95 < 10 < unpaired.ci95


def test_the_mean_over_datasets_has_the_variance_of_a_mean():
    study = spottune()
    single = replace(study, scores=study.scores[study.scores["training"] == "0"])
    parts = [compare(single, "spottune", "standard", [name]) for name in ("cub", "flowers")]
    both = compare(single, "spottune", "standard", ["cub", "flowers"])
    assert both.difference == pytest.approx(np.mean([part.difference for part in parts]))
    assert both.ci95 == pytest.approx(np.hypot(*(part.ci95 for part in parts)) / 2, rel=0.01)


def test_equal_answers_decide_nothing():
    right = [[1, 0, 1, 1]]
    got = compare(handmade({"spottune": right, "standard": right}), "spottune", "standard", ["cub"])
    assert (got.difference, got.ci95, got.p, got.verdict) == (0, 0, 1, "undecided")


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    held = 0
    generator = np.random.default_rng(0)
    for _ in range(60):
        first, second = (generator.random((1, 300)) < share for share in (0.7, 0.6))
        study = handmade({"spottune": first.astype(int).tolist(), "standard": second.astype(int).tolist()})
        got = compare(study, "spottune", "standard", ["cub"])
        held += abs(got.difference - 10) <= got.ci95
    assert 52 <= held <= 60


# Answers that do not fit together


def test_repeated_answers_other_labels_and_other_images_are_refused():
    results = answers(METHODS, DATASETS)
    with pytest.raises(InputError, match=r"row 1000 of training 0 more than once"):
        of_answers("spottune", pd.concat([results, results.iloc[:1]]))
    relabelled = results.copy()
    relabelled.loc[relabelled.index[0], "label"] = 99
    with pytest.raises(InputError, match="different labels"):
        of_answers("spottune", relabelled)
    with pytest.raises(InputError, match="not all tested on the same images of cub"):
        of_answers("spottune", results.iloc[1:])


def test_a_reference_or_record_that_cannot_be_is_refused():
    with pytest.raises(InputError, match=r"'nothing'.*none of its methods"):
        spottune(reference="nothing")
    with pytest.raises(InputError, match="record of a policy"):
        PolicyRecord(np.zeros((3, 4), np.uint8), np.zeros((3, 5)), np.arange(3))


# Real and procedural images


def test_real_and_procedural_images_are_never_averaged():
    parts = found(spottune()).parts
    assert {kind: part.study.shown_datasets for kind, part in parts.items()} == {
        "real images": ["cub", "flowers"],
        "procedural images": ["blobs"],
    }
    judged = {kind: part.claims[0].first for kind, part in parts.items()}
    assert [list(one.parts) for one in judged.values()] == [[("cub",), ("flowers",)], [("blobs",)]]
    assert list(tuning_claims(found(spottune()))) == [
        "spottune on real images",
        "spottune on procedural images",
    ]
    assert list(tuning_claims(found(decathlon()))) == ["decathlon"]


# Claims


def test_claims_are_supported_where_results_show_them():
    judged = {one.claim.key: one for one in real().claims}
    assert {key: one.verdict for key, one in judged.items()} == {claim.key: "supported" for claim in ROUTING}
    first = judged["spottune_above_finetuning"].comparisons[0]
    assert (first.above, first.surely("supported"), len(first.parts)) == (2, 2, 2)
    theirs = {("cub",): 84.03 - 81.86, ("flowers",): 96.34 - 93.67}
    assert first.published == pytest.approx({**theirs, (): sum(theirs.values()) / 2})


def test_the_opposite_contradicts_them():
    names = {"spottune": "standard", "standard": "spottune"}
    study = spottune({"cub": DATASETS["cub"]}, policies={}, curves={})
    swapped = replace(study, scores=study.scores.assign(row=study.scores["row"].replace(names)))
    (first, *_) = judge_tuning(swapped)
    assert first.verdict == "contradicted"
    assert first.comparisons[0].above == 0


def test_rows_that_did_not_run_leave_claims_untested():
    study = decathlon()
    judged = {one.claim.key: one.verdict for one in judge_tuning(study)}
    assert judged.pop("spottune_above_finetuning") == "supported"
    assert set(judged.values()) == {"not tested"}
    without = replace(study, scores=study.scores.query("row != 'routed'"))
    assert {one.verdict for one in judge_tuning(without)} == {"not tested"}


def test_the_talk_counts_twelve_of_fourteen_sets():
    (five, *_), (ten, *_) = real().claims, judge_tuning(decathlon())
    assert (five.first.talk.above, five.first.talk.sets) == (5, 5)
    # Without ImageNet, the source, whose column repeats the pretrained network's accuracy.
    assert (ten.first.talk.above, ten.first.talk.sets) == (7, 9)


def test_a_random_policy_counts_both_as_trained_and_on_the_same_weights():
    methods = METHODS | {"random": row("SpotTune, random", "", "spottune", "random")}
    scores = spottune().scores
    more = scores[scores["row"] == "running_tuned"].assign(row="random")
    study = replace(spottune(), rows=methods, scores=pd.concat([scores, more]))
    titles = [one.title for one in found(study).parts["real images"].claims[3].comparisons]
    assert titles == ["SpotTune − Random policy", "SpotTune − SpotTune, random"]


# Metrics and tables


def test_metrics_are_small_dictionaries():
    metrics = tuning_metrics(found(spottune()))
    assert list(metrics["spottune"]) == ["cub", "flowers", "blobs"]
    summary = summarise(spottune()).set_index(["row", "cell"])
    mean, ci95 = summary.loc[("spottune", "cub"), ["mean", "ci95"]]
    assert metrics["spottune"]["cub"] == rounded(mean, ci95)
    assert 0 < tuning_metrics(found(decathlon()))["routed"]["score"] < 10_000
    for value in (metrics, tuning_claims(found(spottune()))):
        assert json.loads(json.dumps(value, allow_nan=False)) == value


def test_ours_stand_beside_the_published_numbers():
    table = accuracy_table(real())
    assert [(column.group, column.title) for column in table.columns[2:]] == [
        ("CUB-200", "ours"),
        ("CUB-200", "published"),
        ("Flowers-17 (sample)", "ours"),
        ("Flowers-17 (sample)", "published, on the real Flowers"),
        ("Mean", "ours"),
    ]
    rows = {line[0].text: line for line in table.rows}
    assert rows["SpotTune"][3].text == "84.03"
    assert rows["L2-SP"][2].text == "–"
    assert rows["L2-SP"][3].text == "83.69"
    own = rows["SpotTune"]
    assert own[6].value == pytest.approx((own[2].value + own[4].value) / 2)
    assert "for reference only" in table.note


def test_a_dataset_without_a_published_name_has_no_published_column():
    study = spottune({"mine": dataset("Mine", "")}, policies={}, curves={})
    table = accuracy_table(found(study))
    assert [column.title for column in table.columns[2:]] == ["ours", "ours"]
    assert len(table.rows) == len(METHODS)


def test_differences_say_what_their_intervals_are_over():
    rows = {line[0].text: line for line in paired_table(real()).rows}
    assert "Standard <b>|" not in rows
    assert rows["Feature extractor"][1].text == "images"
    assert rows["SpotTune"][1].text == "images and trainings"
    assert rows["SpotTune"][2].kind == "above"
    assert rows["SpotTune, running frozen blocks"][2].kind == "below"


def test_only_methods_with_several_trainings_say_what_a_seed_changes():
    part = real()
    titles = [line[0].text for line in trainings_table(part).rows]
    assert "Feature extractor" not in titles
    assert len(titles) == 6
    single = replace(part.study, scores=part.study.scores[part.study.scores["training"] == "0"])
    assert trainings_table(found(single)) is None


# The decathlon's score


def test_our_score_is_scaled_by_our_own_fine_tuning():
    study = decathlon()
    scores = decathlon_scores(study)
    assert not scores.official
    table = scores.table.set_index("row")
    assert table.loc["finetuning", "score"] == pytest.approx(500)
    expected = 0.0
    for name in ("aircraft", "cifar100"):
        error = {m: 100 - study.units[name][m].mean() for m in ("routed", "finetuning")}
        expected += 1000 * max(0, 1 - error["routed"] / (2 * error["finetuning"])) ** 2
    assert table.loc["routed", "score"] == pytest.approx(expected)
    assert table.loc["routed", "low"] < expected < table.loc["routed", "high"]
    assert np.isnan(table.loc["features", "std"])
    text = markdown(score_table(found(study)))
    assert "over the 2 sets present, at most 2000" in text
    assert "not those of the challenge" in text
    assert "Feature Extractor 544, by its cells 646.6" in text


def test_published_scores_stand_in_columns_of_their_own():
    table = score_table(found(decathlon()))
    titles = [(column.group, column.title) for column in table.columns]
    rows = {line[0].text: dict(zip(titles, line, strict=True)) for line in table.rows}
    assert rows["SpotTune"]["Score, published", "over all ten sets"].text == "3612"
    assert rows["PiggyBack"]["Score, published", "over all ten sets"].text == "2838"
    assert rows["PiggyBack"]["Score, ours", "over 2 sets"].text == "–"
    # 297 for Aircraft and 206 for CIFAR-100, from the published accuracies.
    assert rows["SpotTune"]["Score, published", "over these sets"].text == "503"


def test_on_the_real_sets_the_challenge_sets_the_scale_and_imagenet_can_be_filled_in():
    names = [
        name for name in published_table("decathlon")["dataset"].unique() if name not in ("ImNet", "Score")
    ]
    scores = decathlon_scores(decathlon({name: dataset(name, name) for name in names}))
    assert scores.official
    assert scores.reference["Airc."] == 60.34
    assert scores.imagenet == pytest.approx(1000 * (1 - 0.3968 / 0.8026) ** 2)
    assert decathlon_scores(decathlon({"aircraft": dataset("Aircraft", "Airc.")})).imagenet is None


def test_a_set_without_an_error_of_fine_tuning_cannot_scale_a_score():
    study = decathlon()
    perfect = (study.scores["cell"] == "aircraft") & (study.scores["row"] == "finetuning")
    study = replace(study, scores=study.scores.assign(value=study.scores["value"].mask(perfect, 100.0)))
    scores = decathlon_scores(study)
    assert (scores.datasets, scores.perfect) == (("cifar100",), ("aircraft",))
    assert "makes no error there: Aircraft (sample)" in score_table(found(study)).note


# Policies


def test_the_policy_map_is_the_share_of_images_that_run_a_block_tuned():
    frame = tuned_shares(spottune())
    cub = frame.query("method == 'spottune' and dataset == 'cub'")
    assert cub["block"].tolist() == list(range(1, BLOCKS + 1))
    assert cub["tuned"].to_numpy() == pytest.approx(100 * record("cub").actions.mean(0))
    assert frame.query("method == 'global_k'")["tuned"].isin([0, 100]).all()


def test_usage_counts_every_image_once():
    frame = usage(spottune()).query("method == 'spottune' and dataset == 'cub'")
    assert frame["tuned_blocks"].tolist() == list(range(BLOCKS + 1))
    assert frame["images"].sum() == IMAGES
    mean = np.average(frame["tuned_blocks"], weights=frame["images"])
    assert mean == pytest.approx(record("cub").actions.sum(1).mean())


def test_galleries_show_the_fewest_and_the_most_and_no_image_twice():
    actions = np.array([[1, 1], [0, 0], [1, 0], [0, 1], [0, 0]], np.uint8)
    probabilities = np.array([[0.9, 0.9], [0.4, 0.4], [0.6, 0.2], [0.1, 0.8], [0.1, 0.1]])
    few, many = extremes(PolicyRecord(actions, probabilities, np.arange(5)), 8)
    assert few.tolist() == [4, 1]
    assert many.tolist() == [0, 3]


def test_the_policy_table_counts_policies_and_near_coins():
    actions = np.array([[1, 1], [0, 0], [1, 1], [0, 1]], np.uint8)
    probabilities = np.array([[0.9, 0.55], [0.2, 0.1], [0.9, 0.9], [0.1, 0.7]])
    table = image_table(spottune(), {"cub": PolicyRecord(actions, probabilities, np.arange(4))})
    assert [cell.text for cell in table.rows[0]] == ["CUB-200", "4", "1.25", "0–2", "3", "12.50"]


def test_entropy_is_the_mean_over_trainings():
    frame = entropy(spottune()).query("dataset == 'cub'")
    assert frame["epoch"].tolist() == list(range(1, 11))
    assert list(frame.columns) == ["method", "dataset", "epoch", "policy_entropy"]


def test_a_policy_for_all_images_has_a_map_but_no_histogram():
    assert not differs(one_for_all())
    page = policies_page({"spottune": spottune()})
    sections = {section.title: section for section in page.context["sections"]}
    assert "usage" in sections["SpotTune"].pictures
    assert len(sections["SpotTune"].galleries) == len(DATASETS)
    assert sections["SpotTune (Global-k)"].table is None
    assert list(sections["SpotTune (Global-k)"].pictures) == ["map"]
    assert not sections["SpotTune (Global-k)"].galleries
    assert policies_page({"spottune": spottune(policies={})}) is None


def test_a_thumbnail_keeps_its_shape_and_small_images_their_pixels():
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(thumbnail(image)))), image)
    wide = Image.open(io.BytesIO(thumbnail(np.zeros((100, 400, 3), np.uint8))))
    assert wide.size == (128, 32)


def test_figures_name_datasets_with_their_badges():
    counts = usage(spottune()).query("method == 'spottune'")
    drawn = usage_histograms(counts, spottune()).decode()
    assert all(f">{line}<" in drawn for line in ("Flowers-17", "(sample)", "Blobs (procedural)"))


# Pages


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("tuning") / "site"
    write_site(folder, all_pages())
    return folder


def test_every_page_answers_on_every_screen(site):
    assert problems_of_site(site) == []


def test_pages_are_well_formed_and_load_only_what_lies_beside_them(site):
    for slug in ("spottune", "decathlon", "policies", "index"):
        well_formed(site, slug)


def test_pages_say_what_is_not_real_and_escape_names(site):
    for slug in ("spottune", "policies"):
        text = Reader((site / f"{slug}.html").read_text(encoding="utf-8")).text
        assert "not results on Sketches" in text
        assert "Trained for 4 epochs" in text
    assert "Standard <b>|" in Reader((site / "spottune.html").read_text(encoding="utf-8")).text
    assert "<b>" not in (site / "spottune.html").read_text(encoding="utf-8")


def test_pages_tell_verdicts_in_words(site):
    text = " ".join(Reader((site / "spottune.html").read_text(encoding="utf-8")).text.split())
    assert "above on 2 of them, surely above on 2, surely below on 0" in text
    assert "The interval is over test images and trainings." in text
    assert "The whole published table says +1.66, above on 5 of 5." in text
    assert (
        "not tested"
        not in Reader((site / "decathlon.html").read_text(encoding="utf-8")).text.partition(
            "Differences are taken"
        )[2]
    )


def test_small_files_of_the_policies_lie_beside_the_page(site):
    frame = pd.read_csv(site / "policies-spottune-map.csv")
    assert list(frame.columns) == ["method", "dataset", "block", "tuned"]
    assert set(pd.read_csv(site / "spottune.csv")["dataset"]) == set(DATASETS)


def test_the_same_study_gives_the_same_bytes(site, tmp_path):
    write_site(tmp_path / "again", all_pages())
    for path in site.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "again" / path.relative_to(site)).read_bytes(), path.name


def test_the_markdown_report_warns_before_its_first_table():
    text = tuning_page(found(spottune())).markdown
    assert text.index("not results on Sketches") < text.index("| Method")


def test_a_study_without_results_has_no_page():
    empty = replace(spottune(), scores=spottune().scores.iloc[:0])
    assert tuning_pages({"spottune": found(empty)}) == []
