"""What pages say before all else: which row is ahead, by how much, and whether that is sure."""

import numpy as np
import pandas as pd
import pytest
from made_up_sharing import studies as sharing_studies
from made_up_study import DATASETS, METHODS, PAPERS, found, results
from made_up_tuning import spottune

from farfield.report.answers import Answer
from farfield.report.cost_plots import Costed, accuracy_against_cost, frontier
from farfield.report.row_pages import block, spreads
from farfield.report.site import Drawn, navigation
from farfield.report.winners import ahead, fewshot_answer, overall_means, sharing_answer, tuning_answer
from farfield.results.families import fewshot_study
from farfield.results.findings import Findings
from farfield.results.judging import judge_fewshot, judge_sharing, judge_tuning


def study_of(frame: pd.DataFrame, methods: dict = METHODS) -> Findings:
    return Findings(fewshot_study(frame, methods, DATASETS, "fixed", seed=3), judge_fewshot)


def test_means_over_datasets_are_those_of_a_plain_loop():
    frame = results()
    frame = frame[~((frame["method"] == "own") & (frame["dataset"] == "isic") & (frame["shot"] == 20))]
    means, overall = overall_means(study_of(frame))
    for method in METHODS:
        by_dataset = []
        for name in DATASETS:
            cells = [
                frame.loc[
                    (frame["method"] == method) & (frame["dataset"] == name) & (frame["shot"] == shot),
                    "accuracy",
                ].mean()
                for shot in (5, 20)
            ]
            by_dataset.append(np.mean(cells))  # NaN where a shot is missing
        np.testing.assert_allclose(means.loc[method], by_dataset)
        np.testing.assert_allclose(overall[method], np.mean(by_dataset))
    assert np.isnan(overall["own"])


def test_the_best_is_found_on_shared_episodes_whatever_the_plain_means_say():
    """A costly row met four easy episodes alone; on these every other row is better."""
    frame = results(count=40)
    frame.loc[frame["episode"] < 4, "accuracy"] += 30
    frame.loc[frame["method"] == "fixed", "accuracy"] += 10
    frame = frame[(frame["method"] != "own") | (frame["episode"] < 4)]
    frame.loc[frame["method"] == "own", "accuracy"] -= 15
    part = study_of(frame)
    assert overall_means(part)[1].idxmax() == "own"
    best, second, pair = ahead(part, [*METHODS])
    assert (best, second) == ("fixed", "protonet")
    cells = [cell for _, cell in frame.groupby(["dataset", "shot"])]
    apart = [
        cell.pivot(index="episode", columns="method", values="accuracy").eval("fixed - protonet").mean()
        for cell in cells
    ]
    assert pair is not None
    assert pair["difference"] == pytest.approx(np.mean(apart))
    answer = fewshot_answer("fewshot", "Few-shot", part)
    assert answer.found.startswith("Fixed is best of 3:")
    assert (answer.surety, "significant at 5 %" in answer.because) == ("sure", True)


def test_equal_rows_are_not_called_surely_ahead():
    frame = results()
    answer = fewshot_answer(
        "fewshot", "Few-shot", study_of(frame.assign(accuracy=50.0 + frame["episode"] % 7))
    )
    assert answer.surety == "not sure"
    assert "+0.00 ± 0.00 points on the same 12 episodes" in answer.because


def test_a_network_of_imagenet_does_not_hide_the_best_of_the_others():
    methods = METHODS | {"own": METHODS["own"] | {"family": "ImageNet network"}}
    frame = results()
    frame.loc[frame["method"] == "own", "accuracy"] = 99.0
    answer = fewshot_answer("fewshot", "Few-shot", study_of(frame, methods))
    assert answer.found.startswith("Ours <b>| is best of 3: 99.0 % right on average.")
    assert "own source it is" in answer.found
    assert block(methods["own"]) == "imagenet"
    assert [block(METHODS[key]) for key in METHODS] == ["deck", "deck", "beyond"]


def test_tuning_and_sharing_name_the_row_with_the_greatest_mean():
    tuned = Findings(spottune(), judge_tuning)
    answer = tuning_answer("spottune", "SpotTune", "?", tuned)
    part = next(iter(tuned.parts.values()))
    means = part.summary.groupby("row")["mean"].agg(["mean", "count"])
    whole = means[means["count"] == len(part.study.cells)]["mean"]
    assert answer is not None
    assert answer.found.startswith(
        f"{part.study.title_of(whole.idxmax())} is best of {len(whole)}: {whole.max():.1f} %"
    )
    for name, study in sharing_studies().items():
        shared = Findings(study, judge_sharing)
        answer = sharing_answer(name, name, shared)
        deltas = shared.deltas.summary.query("cell == 'overall'").set_index("row")["mean"]
        deltas = deltas.drop([row for row in (study.constant, study.reference) if row in deltas])
        assert answer is not None
        assert answer.found.startswith(f"{study.title_of(deltas.idxmax())} is best:")


def test_rows_that_none_beats_at_less_cost():
    costs, accuracies = [3.0, 1.0, 2.0, 2.0, 4.0], [60.0, 50.0, 40.0, 55.0, 60.0]
    chart = [Costed(str(i), "", *one) for i, one in enumerate(zip(costs, accuracies, strict=True))]
    beaten = {
        one.title
        for one in chart
        for other in chart
        if other is not one and other.cost <= one.cost and other.accuracy >= one.accuracy
    }
    assert [one.title for one in frontier(chart)] == ["1", "3", "0"]
    assert {one.title for one in frontier(chart)} == {one.title for one in chart} - beaten
    drawn = accuracy_against_cost({"cost": chart})
    assert drawn == accuracy_against_cost({"cost": chart})
    assert b"<svg" in drawn


def test_the_spread_of_episodes_is_that_of_the_episodes():
    whole = found(DATASETS | PAPERS)
    frame = results(datasets=DATASETS | PAPERS)
    for one in spreads(whole.study, whole.summary, "own"):
        name, shot = one.cell.removesuffix("-shot").rsplit(" ", 1)
        cell = frame[(frame["dataset"] == name) & (frame["shot"] == int(shot))]
        own = cell.loc[cell["method"] == "own", "accuracy"]
        np.testing.assert_allclose(one.quartiles, own.quantile([0, 0.25, 0.5, 0.75, 1]))
        counts = own.floordiv(5).clip(upper=19).value_counts().reindex(range(20), fill_value=0)
        np.testing.assert_allclose(one.bars, counts / counts.max())
        means = cell.groupby("method")["accuracy"].mean()
        assert one.rank == 1 + (means > means["own"]).sum()


def test_a_group_of_the_navigation_gathers_its_pages_and_leaves_out_those_below_others():
    pages = [
        Drawn("index", "Overview", ""),
        Drawn("one", "One", "", group="Few"),
        Drawn("row", "Row", "", group="Few", below="one"),
        Drawn("two", "Two", "", group="Many"),
        Drawn("three", "Three", "", group="Few", answer=Answer("three", "", "", "", "", "")),
    ]
    groups = [(group, [page.slug for page in members]) for group, members in navigation(pages)]
    assert groups == [("index", ["index"]), ("Few", ["one", "three"]), ("Many", ["two"])]
