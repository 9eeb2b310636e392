"""Multi-task studies: Delta, statistics, claims, tables, policies, examples and pages, from made-up scores."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from headless import problems_of_site
from made_up_sharing import (
    BLOCKS,
    METHODS,
    TASKS,
    changed_study,
    history,
    made_up_results,
    sharing_site,
    studies,
    study,
    task_of,
)
from made_up_study import dataset
from PIL import Image
from scipy.stats import t, ttest_ind
from test_site import Reader, well_formed

from farfield.datasets.dense.pictures import palette, picture
from farfield.errors import InputError
from farfield.report.cost_tables import sharing_costs
from farfield.report.dense_tables import delta_table, learned_table, published_tables, score_tables
from farfield.report.examples import coloured, example_grids
from farfield.report.index_page import index_page
from farfield.report.matrices import correlation_matrix, search_map
from farfield.report.numbers import claims_metrics
from farfield.report.policies import sharing_page, task_table
from farfield.report.sharing import plotted_sharing, sharing_metrics, sharing_pages, sharing_study_page
from farfield.report.site import write_site
from farfield.results.derived import DELTA, OVERALL, above_constant, deltas, published_deltas
from farfield.results.families import SharingStudy, sharing_study
from farfield.results.findings import Findings
from farfield.results.headings import METRICS, heading
from farfield.results.intervals import Difference, compare, summarise
from farfield.results.judging import judge_sharing
from farfield.results.policies import history_frame, search_history, task_correlation, task_shares
from farfield.results.published import sharing
from farfield.results.scores import of_samples
from farfield.sharing.accounting import PUBLISHED_SIZE
from farfield.sharing.metrics import HIGHER_IS_BETTER, SCENE, TASKONOMY

NAN = float("nan")


def handmade(values: dict[str, list[dict[str, float]]], **changed: object) -> SharingStudy:
    """A study of segmentation and depth from, by method, the metrics of each sample and its `selection`.

    Samples that are one object are copies of one training.
    """
    rows = [
        (method, sample, str(id(found)), task_of(metric), metric, value, found.get("selection", NAN), "fixed")
        for method, samples in values.items()
        for sample, found in enumerate(samples)
        for metric, value in found.items()
        if metric != "selection"
    ]
    columns = ["method", "sample", "training", "task", "metric", "value", "selection", "protocol"]
    settings = {"rows": METHODS, "tasks": ("segmentation", "depth"), "dataset": dataset("Rooms", "")}
    return sharing_study("cityscapes", pd.DataFrame(rows, columns=columns), **(settings | changed))


def findings(study: SharingStudy) -> Findings[SharingStudy]:
    return Findings(study, judge_sharing)


def values_of(study: SharingStudy) -> pd.DataFrame:
    """Delta, a line a sample."""
    scores = deltas(study).scores
    return scores[scores["metric"] == DELTA]


def versus(study: SharingStudy, first: str, second: str, task: str = OVERALL) -> Difference:
    return compare(deltas(study), first, second, [task], DELTA)


def claims_of(study: SharingStudy) -> dict:
    return claims_metrics(judge_sharing(study))


def scored(miou: float, error: float, selection: float = NAN) -> dict[str, float]:
    return {"miou": miou, "depth_abs_error": error, "selection": selection}


def text_of(study: SharingStudy, folder: Path) -> str:
    """What the page of a study says."""
    (page,) = sharing_pages({study.name: findings(study)})
    write_site(folder / "alone", [index_page([], {}).drawn, page.drawn])
    return " ".join(
        Reader((folder / "alone" / f"{study.name}.html").read_text(encoding="utf-8")).text.split()
    )


# Names


def test_every_metric_of_every_task_has_a_heading():
    for kind in (SCENE, TASKONOMY):
        for task, metrics in kind.items():
            assert {METRICS[name].task for name in metrics} == {task}
    assert set(METRICS) == set(HIGHER_IS_BETTER)
    assert heading("depth_abs_error", "m") == "Absolute error (m)\u00a0↓"
    assert heading("depth_abs_error", "") == "Absolute error\u00a0↓"
    assert heading("normal_within_30", "m") == "Within 30° (%)\u00a0↑"


@pytest.mark.parametrize("name", TASKS)
def test_published_tables_have_the_metrics_that_results_have(name):
    table = sharing(name)
    assert {METRICS[metric].task for metric in table["metric"]} == set(TASKS[name])
    assert table["method"].nunique() == 7


# Statistics


def test_delta_is_the_mean_gain_over_metrics_and_then_over_tasks():
    single = {"miou": 40.0, "pixel_accuracy": 80.0, "depth_abs_error": 0.5}
    better = {"miou": 44.0, "pixel_accuracy": 76.0, "depth_abs_error": 0.4}
    found = values_of(handmade({"single_task": [single], "adashare": [better]}))
    values = found.set_index(["row", "cell"])["value"]
    assert values["adashare", "segmentation"] == pytest.approx((10 - 5) / 2)
    assert values["adashare", "depth"] == pytest.approx(20)
    assert values["adashare", OVERALL] == pytest.approx((2.5 + 20) / 2)
    assert values["single_task", OVERALL] == 0


def test_the_reference_of_delta_is_the_mean_over_its_samples():
    found = handmade({"single_task": [scored(38, 0.4), scored(42, 0.6)], "mtan": [scored(44, 0.5)]})
    table = findings(found).deltas.summary.set_index(["row", "cell"])
    assert table.loc[("single_task", OVERALL), "mean"] == pytest.approx(0)
    assert table.loc[("mtan", "segmentation"), "mean"] == pytest.approx(10)
    assert table.loc[("single_task", "segmentation"), "std"] == pytest.approx(np.std([-5, 5], ddof=1))


def test_metrics_without_a_share_of_the_reference_are_left_out_and_named():
    zero = {"miou": 0.0, "pixel_accuracy": 50.0, "depth_abs_error": 0.5}
    some = {"miou": 3.0, "pixel_accuracy": 55.0, "depth_abs_error": 0.5}
    found = handmade({"single_task": [zero], "adashare": [some]})
    table = delta_table(findings(found), ["single_task", "adashare"])
    assert table.rows[1][2].value == pytest.approx(10)
    assert "Without mIoU (segmentation), not above zero there." in table.note
    nothing = handmade({"single_task": [scored(0, 0.5)], "adashare": [scored(3, 0.4)]})
    assert deltas(nothing).scores.empty
    assert judge_sharing(nothing)[0].verdict == "not tested"
    assert delta_table(findings(nothing), ["single_task"]) is None
    (page,) = sharing_pages({"cityscapes": findings(nothing)})
    assert "delta" not in [section.place for section in page.context["sections"]]


def test_means_deviations_and_the_selected_sample():
    samples = [scored(40, 0.5, 0.2), scored(44, 0.7, 0.9), scored(48, 0.6, 0.1)]
    found = summarise(handmade({"single_task": [scored(40, 0.5)], "adashare": samples}))
    row = found[(found["row"] == "adashare") & (found["metric"] == "miou")].iloc[0]
    assert row[["samples", "mean", "selected"]].tolist() == [3, 44, 44]
    assert row["std"] == pytest.approx(4)
    alone = found[found["row"] == "single_task"]
    assert alone[["std", "selected"]].isna().all(axis=None)


def test_selection_follows_held_out_data_and_never_the_test():
    samples = [scored(90, 0.1, 0.1), scored(40, 0.5, 0.9)]
    found = summarise(handmade({"single_task": [scored(40, 0.5)], "adashare": samples}))
    assert found[found["row"] == "adashare"]["selected"].tolist() == [40, 0.5]


def test_two_rows_with_several_samples_are_compared_by_welch():
    found = values_of(study())
    found = found[found["cell"] == "depth"]
    one, other = (found.loc[found["row"] == key, "value"] for key in ("adashare", "multi_task"))
    expected = ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    got = versus(study(), "adashare", "multi_task", "depth")
    assert got.difference - got.ci95 == pytest.approx(expected.low)
    assert got.difference + got.ci95 == pytest.approx(expected.high)


def test_a_single_sample_is_taken_to_vary_as_the_others_do():
    single = handmade({"single_task": [scored(40, 0.5)], "adashare": [scored(44, 0.5), scored(46, 0.5)]})
    got = versus(single, "adashare", "single_task", "segmentation")
    spread = np.std([10, 15], ddof=1)
    assert got.difference == pytest.approx(12.5)
    assert got.ci95 == pytest.approx(t.ppf(0.975, 1) * spread * (1 / 2 + 1) ** 0.5)
    assert got.verdict == "undecided"


def test_two_single_samples_decide_nothing(tmp_path):
    found = handmade({"single_task": [scored(40, 0.5)], "adashare": [scored(80, 0.1)]})
    assert versus(found, "adashare", "single_task").ci95 is None
    first = claims_of(found)["adashare_above_single_task"]
    assert first == {"verdict": "undecided", "difference": 90.0}
    assert "Neither of the two has trainings that differ" in text_of(found, tmp_path)


def test_copies_of_one_training_decide_nothing():
    one, other = scored(44, 0.5), scored(40, 0.5)
    found = handmade({"single_task": [other, other], "adashare": [one, one, one]})
    got = versus(found, "adashare", "single_task", "segmentation")
    assert (got.difference, got.ci95, got.verdict) == (pytest.approx(10), None, "undecided")
    summary = summarise(found)
    assert summary["samples"].tolist() == [2, 2, 3, 3]
    assert summary["trainings"].tolist() == [1, 1, 1, 1]
    assert summary["std"].isna().all()
    assert sharing_metrics(findings(found))["adashare"]["delta"] == 5.0
    table = delta_table(findings(found), ["adashare"])
    assert [line[1].text for line in table.rows] == ["3 (1 training)"]


def test_trainings_that_all_score_the_same_decide_nothing():
    same = {"single_task": [scored(40, 0.3)], "adashare": [scored(44.1, 0.3) for _ in range(7)]}
    got = versus(handmade(same), "adashare", "single_task")
    assert (got.ci95, got.verdict) == (None, "undecided")


@pytest.mark.parametrize("reference", [[40.0], [39.0, 41.0]])
def test_copying_every_training_alike_changes_no_interval(reference):
    singles = [scored(value, 0.5) for value in reference]
    samples = [scored(value, 0.5) for value in (44, 47, 45)]
    once = handmade({"single_task": singles, "adashare": samples})
    thrice = handmade({"single_task": singles * 2, "adashare": samples * 3})
    one, many = (versus(found, "adashare", "single_task", "segmentation") for found in (once, thrice))
    assert one.ci95 is not None
    assert (many.difference, many.ci95) == (pytest.approx(one.difference), pytest.approx(one.ci95))


def test_means_weigh_samples_and_deviations_trainings():
    """Three samples of one training and one of another: Student's interval with one degree of freedom."""
    often, once = scored(44, 0.5), scored(48, 0.5)
    found = handmade({"single_task": [scored(40, 0.5)], "adashare": [often, once, often, often]})
    row = findings(found).deltas.summary.set_index(["row", "cell"]).loc[("adashare", "segmentation")]
    assert row["mean"] == pytest.approx((3 * 10 + 20) / 4)
    assert row["std"] == pytest.approx(np.std([10, 20], ddof=1))
    got = versus(found, "adashare", "single_task", "segmentation")
    of_mean = (3 / 4) ** 2 + (1 / 4) ** 2
    assert got.ci95 == pytest.approx(t.ppf(0.975, 1) * row["std"] * (of_mean + 1) ** 0.5)


def test_the_deviation_between_trainings_has_no_bias():
    """Over many rows of four trainings, of which one has five copies."""
    generator = np.random.default_rng(0)
    rows = {}
    for number in range(400):
        first, *others = (scored(float(value), 0.5) for value in generator.normal(40, 2, 4))
        rows[f"row {number}"] = [*[first] * 5, *others]
    methods = dict.fromkeys(rows, METHODS["multi_task"])
    found = summarise(handmade(rows, rows=methods, reference="row 0"))
    of_miou = found.loc[found["metric"] == "miou", "std"]
    assert len(of_miou) == 400
    assert (of_miou**2).mean() == pytest.approx(4, rel=0.15)


def test_published_deltas_are_those_of_the_published_table():
    found = published_deltas(study("cityscapes"))["AdaShare"]
    segmentation = ((41.5 - 40.2) / 40.2 + (74.9 - 74.7) / 74.7) / 2
    assert found["segmentation"] == pytest.approx(100 * segmentation)
    assert found[OVERALL] == pytest.approx((found["segmentation"] + found["depth"]) / 2)
    assert published_deltas(changed_study(card=dataset("CamVid", ""))) == {}


def test_a_row_must_beat_the_constant_predictor():
    values = {"single_task": [scored(40, 0.9)], "adashare": [scored(30, 0.4)], "constant": [scored(20, 0.6)]}
    found = handmade(values)
    counts = above_constant(found, summarise(found)).set_index(["row", "cell"])["better"]
    assert counts["adashare", "depth"] == counts["adashare", "segmentation"] == 1
    assert counts["single_task", "depth"] == 0
    single, _ = learned_table(findings(found)).rows
    assert [(cell.text, cell.kind) for cell in single[1:]] == [("1 of 1", ""), ("0 of 1", "below")]


# Results that do not fit together


def test_protocols_never_meet():
    mixed = made_up_results("nyuv2")
    mixed.loc[mixed["method"] == "mtan", "protocol"] = "legacy"
    with pytest.raises(InputError, match=r"different protocols: 'single_task' fixed and 'mtan' legacy"):
        of_samples("nyuv2", mixed, METHODS, TASKS["nyuv2"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: pd.concat([r, r.iloc[:1]]), "more than once"),
        (lambda r: r.iloc[1:], r"sample 0, differ from those of other rows at segmentation: miou"),
        (lambda r: r.assign(value=r["value"].where(r["metric"] != "miou")), "not a finite number"),
        (lambda r: r.assign(metric=r["metric"].replace("miou", "iou")), "metric 'iou'"),
        (lambda r: r.assign(method=r["method"].replace("mtan", "other")), "method 'other'"),
        (lambda r: r.assign(task=r["task"].replace("depth", "edges")), "task 'edges'"),
        (lambda r: r.drop(columns="training"), "no column 'training'"),
        (lambda r: r.assign(training=r["sample"]), "Sample 0 of 'single_task' .* does not name its training"),
        (lambda r: r.assign(training=r["training"] + r["task"]), "several trainings; one is expected"),
        (lambda r: r.assign(training="one"), "copies of the training 'one' differ in miou"),
    ],
)
def test_scores_that_are_repeated_missing_or_unknown_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        of_samples("nyuv2", change(made_up_results("nyuv2")), METHODS, TASKS["nyuv2"])


def test_tasks_reference_and_policies_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="in this order"):
        of_samples("nyuv2", made_up_results("nyuv2"), METHODS, ("depth", "normals", "segmentation"))
    with pytest.raises(InputError, match=r"'nothing'.*none of its methods"):
        changed_study(reference="nothing")
    whole = np.ones((3, BLOCKS), bool)
    for select, runs in ((whole[:2], [whole[:2]]), (whole, [whole[:, 1:]]), (whole, [])):
        with pytest.raises(InputError, match=r"\[3 tasks, blocks\] is expected"):
            changed_study(policies={"adashare": {"select": select, "runs": runs}})


# Claims


def test_claims_are_supported_where_results_show_them():
    judged = {one.claim.key: one for one in judge_sharing(study())}
    verdicts = {key: one.verdict for key, one in judged.items()}
    assert verdicts["adashare_above_single_task"] == verdicts["adashare_above_multi_task"] == "supported"
    assert verdicts["adashare_above_without_curriculum"] == "supported"
    assert verdicts["adashare_above_without_sparsity"] == "undecided"
    other = judged["adashare_above_random_policy"].claim
    assert other.statement == "AdaShare is above “Random policy”."
    assert other.measured == "Delta of AdaShare minus that of “Random policy”."
    first = judged["adashare_above_single_task"]
    assert (first.first.above, first.first.talk.above) == (3, 3)
    assert "1.00 and 1.00 times" in judged["adashare_above_multi_task"].claim.measured


def test_the_opposite_contradicts_them():
    names = {"multi_task": "adashare", "adashare": "multi_task"}
    swapped = study().scores.assign(row=lambda r: r["row"].replace(names))
    assert judge_sharing(replace(study(), scores=swapped))[1].verdict == "contradicted"


def test_rows_that_did_not_run_leave_claims_untested():
    few = study().scores.query("row in ['single_task', 'adashare']")
    verdicts = [one.verdict for one in judge_sharing(replace(study(), scores=few))]
    assert verdicts == ["supported", *["not tested"] * 6]


# Metrics and tables


def test_metrics_are_the_first_of_each_task_and_delta():
    found = sharing_metrics(findings(study()))
    assert list(found["adashare"]) == ["miou", "normal_mean_angle", "depth_abs_error", "delta"]
    summary = summarise(study()).set_index(["row", "metric"])
    own = summary.loc["mtan", "miou"]
    assert own["trainings"] == 1
    assert found["mtan"]["miou"] == float(f"{own['mean']:.2g}")
    for value in (found, claims_of(study())):
        assert json.loads(json.dumps(value, allow_nan=False)) == value


def test_plot_tables_tell_studies_rows_and_tasks_apart():
    found = plotted_sharing({name: findings(one) for name, one in studies().items()})
    assert set(found) == {"sharing_scores", "sharing_delta", "sharing_map", "sharing_search"}
    assert "nyuv2 adashare depth" in set(found["sharing_map"]["cell"])
    assert {"mean", "backbone_parameters", "macs"} <= set(found["sharing_delta"])


def test_scores_of_each_task_stand_in_a_table_that_names_the_protocol():
    found = study()
    ours = score_tables(findings(found), list(METHODS))
    assert [table.caption for table in ours] == [
        f"{name} on Rooms (procedural), protocol fixed"
        for name in ("Segmentation", "Surface normals", "Depth")
    ]
    rows = {line[0].text: line for line in ours[2].rows}
    assert rows["Constant predictor"][1].text == "1"
    assert "selected" not in " ".join(title for title in rows if "MTAN" in title)
    assert rows["AdaShare, selected sample"][1].text == "1 of 8"
    assert rows["AdaShare"][2].interval.startswith("± ")


def test_the_best_is_the_least_where_less_is_better_and_never_a_selected_sample():
    samples = [scored(50, 0.1, 0.9), scored(30, 0.9, 0.1)]
    found = handmade({"single_task": [scored(45, 0.4)], "mtan": [scored(44, 0.3)], "adashare": samples})
    (table,) = score_tables(findings(found), ["single_task", "mtan", "adashare"])
    best = [[line[0].text for line in table.rows if line[column].best] for column in (2, 3)]
    assert best == [[METHODS["single_task"]["title"]], ["MTAN"]]


def test_published_numbers_have_tables_of_their_own_with_their_own_digits():
    tables = published_tables(study("cityscapes"))
    rows = {line[0].text: line for line in tables[1].rows}
    assert [cell.text for cell in rows["AdaShare"][1:]] == ["0.016", "0.33", "75.5", "89.8", "94.9"]
    assert rows["Cross-Stitch"][1].best
    assert "for reference only" in tables[0].note
    assert published_tables(changed_study(card=dataset("CamVid", ""))) == [None, None, None]


def test_other_tasks_than_the_published_have_no_published_delta():
    """CamVid has segmentation and edges where CityScapes has segmentation and depth."""
    card = dataset("CamVid", "CityScapes", mirror="701 other images")
    single = {"miou": 40.0, "edge_error": 0.2}
    found = handmade({"single_task": [single]}, tasks=("segmentation", "edges"), dataset=card)
    assert published_deltas(found) == {}
    assert judge_sharing(found)[0].first.published == {}
    shown = published_tables(found)[0]
    assert [column.title for column in shown.columns[1:]] == ["mIoU (%)\u00a0↑", "Pixel accuracy (%)\u00a0↑"]


def test_one_table_holds_all_tasks_where_each_has_one_metric():
    found = study("taskonomy")
    (table,) = score_tables(findings(found), list(METHODS))
    shown = [title for title, _ in table.groups if title]
    assert shown == ["Segmentation", "Surface normals", "Depth", "Keypoints", "Edges"]


def test_costs_stand_in_both_conventions_beside_the_published():
    table = sharing_costs(study())
    rows = {line[0].text: [cell.text for cell in line[1:]] for line in table.rows}
    assert rows["NDDR-CNN"][:2] == ["3.15", "3.15"]
    assert rows["Random policy"][1] == "–"
    assert "Constant predictor" not in rows
    assert sharing_costs(changed_study(costs={})) is None
    assert f"{PUBLISHED_SIZE} × {PUBLISHED_SIZE} pixels" in table.caption
    assert "means over a row's samples" in table.note


# Policies


def test_tasks_correlate_by_which_blocks_they_prefer_and_not_by_how_many():
    select = np.array([[0.9, 0.5, 0.1], [0.6, 0.5, 0.4], [0.1, 0.5, 0.9], [0.7, 0.7, 0.7]])
    found = task_correlation(select)
    assert found[0, 1] == pytest.approx(1)
    assert found[0, 2] == pytest.approx(-1)
    assert np.isnan(found[3]).all()
    generated = np.random.default_rng(0).random((4, 9))
    assert task_correlation(generated) == pytest.approx(np.corrcoef(generated))


def test_the_policy_map_counts_samples():
    found = study()
    frame = task_shares(found)
    own = frame[(frame["method"] == "adashare") & (frame["task"] == "depth")]
    assert own["block"].tolist() == list(range(1, BLOCKS + 1))
    runs = np.mean([one[2] for one in found.policies["adashare"]["runs"]], axis=0)
    assert own["run"].to_numpy() == pytest.approx(100 * runs)


def test_a_block_is_shared_if_another_task_runs_it_too():
    runs = np.array([[1, 1, 0, 1], [1, 0, 0, 0], [0, 1, 0, 0]], bool)
    found = changed_study(policies={"adashare": {"select": np.full((3, 4), 0.5), "runs": [runs, runs]}})
    table = task_table(found, "adashare")
    assert "2 samples, 1 of them different" in table.caption
    assert [[cell.text for cell in line[1:4]] for line in table.rows] == [
        ["1.00", "1", "2.00"],
        ["3.00", "3", "1.00"],
        ["3.00", "3", "1.00"],
    ]


def test_the_history_of_a_search_becomes_a_row_a_task_and_block():
    frame = history_frame(history("nyuv2", 5), TASKS["nyuv2"])
    assert len(frame) == 5 * 3 * BLOCKS
    row = frame[(frame["alternation"] == 5) & (frame["task"] == "depth") & (frame["block"] == BLOCKS)].iloc[0]
    source = history("nyuv2", 5)[4]
    assert row["select"] == source["select"][2][BLOCKS - 1]
    assert row[["opened", "loss", "policy_loss"]].tolist() == [
        3,
        source["loss_depth"],
        source["policy_loss_depth"],
    ]
    assert search_history(study())["method"].unique().tolist() == ["adashare"]


def test_long_searches_are_drawn_with_few_squares():
    long = history_frame(history("cityscapes", 400), TASKS["cityscapes"])
    drawn = search_map(study("cityscapes"), long)
    assert len(drawn) < 400_000
    assert b"Segmentation" in drawn


def test_figures_of_policies_without_preferences_are_drawn_all_the_same():
    assert "–" in correlation_matrix(study(), np.full((3, BLOCKS), 0.5)).decode()
    one = history_frame(history("nyuv2", 1), TASKS["nyuv2"])
    assert search_map(study(), one).startswith(b"<?xml")


# Examples


def test_normals_are_half_their_vector_plus_one_and_the_unknown_is_grey():
    normals = np.zeros((1, 3, 1, 3))
    normals[0, :, 0, 0] = [2, 0, 0]
    normals[0, :, 0, 1] = [0, -1, 0]
    normals[0, :, 0, 2] = NAN
    found = coloured("normals", normals)[0, 0]
    assert np.abs(found[:2].astype(int) - [[255, 128, 128], [128, 0, 128]]).max() <= 1
    assert found[2].tolist() == [138, 143, 152]


def test_depth_has_the_range_of_the_truth_in_predictions_too():
    truth, wild = np.array([[[[1.0, 3.0, NAN]]]]), np.array([[[[1.0, 3.0, 99.0]]]])
    ours, theirs = coloured("depth", truth, (1, 3))[0, 0], coloured("depth", wild, (1, 3))[0, 0]
    assert ours[:2].tolist() == theirs[:2].tolist()
    assert ours[2].tolist() == [138, 143, 152]
    assert theirs[2].tolist() == theirs[1].tolist()


def test_segmentation_has_a_colour_a_class_from_labels_or_scores():
    labels = np.array([[[0, 1, -1]]])
    scores = np.array([[[[5.0, 0, 1]], [[1.0, 2, 0]]]])
    found = coloured("segmentation", labels)[0, 0]
    preview = picture("segmentation", labels, 2)[0, 0]
    assert found[:2].tolist() == preview[:2].tolist() == coloured("segmentation", scores)[0, 0][:2].tolist()
    assert found[2].tolist() == [138, 143, 152]
    colours = palette(40)[:-1].astype(int)
    assert len(np.unique(colours, axis=0)) == 40
    assert (colours.max(1) - colours.min(1)).min() > 40  # none is grey


def test_grids_have_a_column_a_row_of_the_table_with_the_same_images():
    grids = example_grids(study())
    assert [grid.title for grid in grids] == ["Segmentation", "Surface normals", "Depth"]
    titles = [picture.caption for picture in grids[0].columns]
    assert titles == ["Image", "Truth", METHODS["single_task"]["title"], "Multi-Task", "AdaShare"]
    sizes = {Image.open(io.BytesIO(picture.data)).size for grid in grids for picture in grid.columns}
    assert sizes == {(128, 3 * 128 + 2 * 4)}
    assert "From 1.50 (dark) to 4.00 m (bright)" in grids[2].note
    assert [name for name, _ in grids[0].classes] == ["wall", "ball", "box", "<drum>"]
    assert example_grids(changed_study(examples=None)) == []


# Pages


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("sharing") / "site"
    write_site(folder, sharing_site())
    return folder


def test_every_page_answers_on_every_screen(site):
    assert problems_of_site(site) == []


def test_pages_are_well_formed_and_load_only_what_lies_beside_them(site):
    for slug in (*TASKS, "sharing", "index"):
        well_formed(site, slug)


def test_pages_say_what_the_images_are_and_escape_names(site):
    text = Reader((site / "cityscapes.html").read_text(encoding="utf-8")).text
    assert "not results on CityScapes" in text
    assert "Single-Task <b>|" in text
    assert "<b>" not in (site / "cityscapes.html").read_text(encoding="utf-8")
    tiny = " ".join(Reader((site / "nyuv2.html").read_text(encoding="utf-8")).text.split())
    assert "A sample of NYU v2 (14 images)" in tiny
    assert "Trained on 10 and tested on 4 images" in tiny
    assert "All rows follow the protocol legacy, the losses, metrics" in tiny
    assert "The reference is this run's own" in tiny


def test_what_selects_a_sample_is_said_by_protocol(site):
    texts = {
        name: " ".join(Reader((site / f"{name}.html").read_text(encoding="utf-8")).text.split())
        for name in ("cityscapes", "nyuv2")
    }
    for name, of_test in (("cityscapes", False), ("nyuv2", True)):
        assert ("held-out training data" in texts[name]) is not of_test
        assert ("on some of the test images themselves" in texts[name]) is of_test
        assert "they do not hold what another search would find" in texts[name]
        assert "policies drawn from one search" in texts[name]


def test_numbers_lie_beside_the_pages_with_their_protocol(site):
    frame = pd.read_csv(site / "nyuv2.csv")
    assert set(frame["protocol"]) == {"legacy"}
    assert set(frame["method"]) == set(METHODS)
    assert list(pd.read_csv(site / "policies-taskonomy-map.csv")) == [
        "method",
        "task",
        "block",
        "select",
        "run",
    ]


def test_the_same_study_gives_the_same_bytes(site, tmp_path):
    shown = {"cityscapes": changed_study("cityscapes")}
    found = {name: findings(one) for name, one in shown.items()}
    for page in [*sharing_pages(found), sharing_page(shown)]:
        for place, data in page.assets.items():
            if "nyuv2" not in place and "taskonomy" not in place:
                assert data == (site / place).read_bytes(), place


def test_the_markdown_report_warns_before_its_first_table():
    text = sharing_study_page(findings(study())).markdown
    assert text.index("not results on NYU v2") < text.index("| Method")


def test_a_study_without_results_or_policies_has_no_page():
    empty = findings(replace(study(), scores=study().scores.iloc[:0]))
    assert sharing_pages({"nyuv2": empty}) == []
    assert plotted_sharing({"nyuv2": empty}) == {}
    assert sharing_page({"nyuv2": changed_study(policies={})}) is None


def test_a_study_with_scores_alone_has_a_page(tmp_path):
    bare = changed_study(costs={}, policies={}, history={}, examples=None, caveats=())
    only = replace(bare, scores=bare.scores.query("row == 'multi_task'"))
    text = text_of(only, tmp_path)
    assert "Relative performance" not in text
    assert "not tested" in text
