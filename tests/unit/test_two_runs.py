"""Two runs held against each other: against scipy, on planted changes, and on changes that change nothing."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from farfield.results.scores import SCORES, SELECTION
from farfield.results.study import Varies
from farfield.results.two_runs import LINES, compare_runs, marked
from farfield.seeds import stream

EPISODES = Varies(law="1.96")
IMAGES = Varies(trainings="both")
TRAININGS = Varies(units=False, trainings="borrow")


def scores(
    values: dict[tuple[str, str], np.ndarray], training: str = "0", metric: str = "accuracy"
) -> pd.DataFrame:
    """SCORES of a value a unit, by row and cell."""
    tables = [
        pd.DataFrame({"row": row, "cell": cell, "unit": np.arange(len(own)), "value": own})
        for (row, cell), own in values.items()
    ]
    return pd.concat(tables, ignore_index=True).assign(study="made up", metric=metric, training=training)[
        SCORES
    ]


def episodes(seed: int, rows: int = 4, cells: int = 5, count: int = 30, better: dict | None = None):
    """Accuracies of 75 queries: episodes are hard or easy for all rows of both runs, chance is each run's own."""
    found = {}
    for cell in (f"set{i} 5-shot" for i in range(cells)):
        hard = stream(0, "hardness", cell).normal(0.6, 0.1, count)
        for row in (f"row{i}" for i in range(rows)):
            level = np.clip(hard + (better or {}).get((row, cell), 0.0), 0.05, 0.95)
            right = stream(seed, row, cell).binomial(75, level)
            found[row, cell] = 100 * right / 75
    return scores(found)


def everywhere(table: pd.DataFrame) -> dict:
    return dict.fromkeys(table["cell"].unique())


def test_a_change_of_nothing_names_no_row():
    """Of a hundred pairs of runs that differ by chance alone, ten lines each, at least 95 name none."""
    named = 0
    for pair in range(100):
        before, after = (episodes(2 * pair + i, rows=5, cells=2, count=20) for i in range(2))
        lines = marked(compare_runs(before, after, EPISODES, 6, everywhere(before)))
        assert len(lines) == 10
        named += lines["beyond"].any()
    assert named <= 5


def test_the_same_run_twice_has_moved_nowhere():
    run = episodes(1)
    lines = marked(compare_runs(run, run.sample(frac=1, random_state=0), EPISODES, 6, everywhere(run)))
    assert not lines["moved"].any()
    assert not lines["beyond"].any()
    assert (lines["difference"] == 0).all()


def test_what_was_changed_is_named_and_nothing_else():
    changed = {("row1", "set0 5-shot"): 0.08, ("row3", "set4 5-shot"): -0.1}
    before, after = episodes(1), episodes(2, better=changed)
    lines = marked(compare_runs(before, after, EPISODES, 6, everywhere(before)))
    named = lines[lines["beyond"]]
    assert set(zip(named["row"], named["cell"], strict=True)) == set(changed)
    for line in lines.to_dict("records"):
        key = (before["row"] == line["row"]) & (before["cell"] == line["cell"])
        one, other = (table.loc[key, "value"].to_numpy() for table in (before, after))
        assert line["before"] == pytest.approx(one.mean())
        assert line["difference"] == pytest.approx((other - one).mean())
        flipped = stats.permutation_test((other - one,), np.mean, permutation_type="samples", rng=0)
        assert line["p"] == pytest.approx(flipped.pvalue, abs=0.02)


def test_a_thousand_lines_can_be_told_apart():
    """Sign flips end at 1 in 20,000, which Holm's method multiplies by the number of lines."""
    changed = {("row0", f"set{i} 5-shot"): 0.15 for i in range(3)}
    before, after = (
        episodes(seed, rows=350, cells=3, better=better) for seed, better in ((1, {}), (2, changed))
    )
    lines = marked(compare_runs(before, after, EPISODES, 6, everywhere(before)))
    assert len(lines) == 1050
    named = lines[lines["beyond"]]
    assert set(zip(named["row"], named["cell"], strict=True)) == set(changed)


def test_episodes_that_are_not_the_same_are_two_samples():
    before, after = episodes(1), episodes(2, count=50, better={("row0", "set0 5-shot"): 0.2})
    shared = everywhere(before) | {"set1 5-shot": range(10)}
    del shared["set0 5-shot"]
    lines = marked(compare_runs(before, after, EPISODES, 6, shared)).set_index(["row", "cell"])
    one, other = (
        table[(table["row"] == "row0") & (table["cell"] == "set0 5-shot")]["value"]
        for table in (before, after)
    )
    found = lines.loc["row0", "set0 5-shot"]
    assert (found["paired"], found["units"], found["beyond"]) == (False, 30, True)
    welch = stats.ttest_ind(other, one, equal_var=False)
    assert found["p"] == pytest.approx(welch.pvalue)
    low, high = welch.confidence_interval()
    assert found["ci95"] == pytest.approx((high - low) / 2)
    assert lines.loc["row0", "set1 5-shot"]["units"] == 10
    assert lines.loc["row0", "set2 5-shot"]["units"] == 30  # of which both have thirty
    assert lines.loc["row0", "set2 5-shot"]["paired"]


def test_images_are_paired_and_several_trainings_count():
    def run(seed: int, level: float) -> pd.DataFrame:
        right = {("standard", "birds"): 100.0 * (stream(seed, "right").random(200) < level)}
        return scores(right)

    before, after = run(1, 0.5), run(2, 0.7)
    [line] = compare_runs(before, after, IMAGES, 0, {"birds": None}).to_dict("records")
    found = stats.ttest_rel(after["value"], before["value"])
    low, high = found.confidence_interval()
    assert line["p"] == pytest.approx(found.pvalue)
    assert line["ci95"] == pytest.approx((high - low) / 2)

    several = [
        pd.concat([run(seed + 10 * i, level).assign(training=str(i)) for i in range(3)])
        for seed, level in ((1, 0.5), (2, 0.7))
    ]
    [wider] = compare_runs(*several, IMAGES, 0, {"birds": None}).to_dict("records")
    means = [table.groupby("training")["value"].mean() for table in several]
    images = several[1].groupby("unit")["value"].mean() - several[0].groupby("unit")["value"].mean()
    parts = [images.var(ddof=1) / 200, *(one.var(ddof=1) / 3 for one in means)]
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / 199 + parts[1] ** 2 / 2 + parts[2] ** 2 / 2)
    assert wider["ci95"] == pytest.approx(stats.t.ppf(0.975, freedom) * sum(parts) ** 0.5)


def test_one_training_each_says_nothing_of_others():
    def run(*values: float) -> pd.DataFrame:
        tables = [
            scores({("hard", "depth"): np.array([value])}, str(i), "depth_error").assign(unit=i)
            for i, value in enumerate(values)
        ]
        chosen = scores({("hard", ""): np.array([-1.0])}, "0", SELECTION)
        return pd.concat([*tables, chosen])

    [alone] = marked(compare_runs(run(0.5), run(0.4), TRAININGS, 0, {})).to_dict("records")
    assert alone["difference"] == pytest.approx(-0.1)
    assert np.isnan(alone["ci95"])
    assert (alone["moved"], alone["beyond"]) == (True, False)
    [several] = compare_runs(run(0.5, 0.52, 0.51), run(0.4, 0.43, 0.41), TRAININGS, 0, {}).to_dict("records")
    welch = stats.ttest_ind([0.4, 0.43, 0.41], [0.5, 0.52, 0.51], equal_var=False)
    assert several["p"] == pytest.approx(welch.pvalue)


def test_runs_without_a_common_row_have_no_lines():
    before = scores({("one", "birds"): np.arange(3.0)})
    after = scores({("other", "birds"): np.arange(3.0)})
    assert list(compare_runs(before, after, IMAGES, 0, {"birds": None}).columns) == LINES
