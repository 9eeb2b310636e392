"""Means over samples, relative performance, and differences between rows of a multi-task study.

What varies between the samples of a row is its seed and, where a policy is sampled, the policy. Test images
are the same for all, and what other images would change is in none of these numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.stats import t

from farfield.multitask.delta import relative_performance
from farfield.multitask.metrics import HIGHER_IS_BETTER
from farfield.reporting.multitask_study import MultiTaskStudy
from farfield.reporting.verdicts import Verdict

OVERALL = "overall"  # among tasks: the mean over them
SUMMARY_COLUMNS = ["method", "task", "metric", "samples", "mean", "std", "selected"]
DELTA_COLUMNS = ["method", "sample", "task", "value", "selection"]


@dataclass(frozen=True)
class Difference:
    """The Delta of one row minus that of another in percentage points, and half its 95 % interval.

    ci95: None where both rows have a single sample, which says nothing about others.
    """

    difference: float
    ci95: float | None

    @property
    def verdict(self) -> Verdict:
        if self.ci95 is None or abs(self.difference) <= self.ci95:
            return "undecided"
        return "supported" if self.difference > 0 else "contradicted"


@lru_cache(maxsize=8)
def summarise(study: MultiTaskStudy) -> pd.DataFrame:
    """SUMMARY_COLUMNS, a row for each metric of each method, in the order of methods and metrics.

    std: between samples (ddof=1), NaN for a single one. selected: of the sample with the greatest
    `selection`, NaN where there is nothing to select.
    """
    rows = [
        (method, task, metric, *_spread(own[(own["task"] == task) & (own["metric"] == metric)]))
        for method, own in _by_method(study, study.results)
        for task, names in study.metrics.items()
        for metric in names
    ]
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)


@lru_cache(maxsize=8)
def deltas(study: MultiTaskStudy) -> pd.DataFrame:
    """DELTA_COLUMNS: relative performance in percent of every sample at every task, and `overall`.

    Delta of a task is the mean over its metrics of how much better they are than those of the reference, in
    percent of these; overall it is the mean over tasks (Sun et al., "AdaShare", NeurIPS 2020). The reference
    is the mean over the samples of this run's own row. Empty unless that ran, and has a positive metric at
    every task.
    """
    if not study.has_deltas:
        return pd.DataFrame(columns=DELTA_COLUMNS)
    rows = []
    for method, own in _by_method(study, study.results):
        for sample, scored in own.groupby("sample"):
            values = scored.set_index(["task", "metric"])["value"]
            selection = float(scored["selection"].iloc[0])
            for task, value in _relative(values, study.delta_metrics).items():
                rows.append((method, sample, task, value, selection))
    return pd.DataFrame(rows, columns=DELTA_COLUMNS)


@lru_cache(maxsize=8)
def summarise_deltas(study: MultiTaskStudy) -> pd.DataFrame:
    """Columns method, task, samples, mean, std, selected of `deltas`, as in `summarise`."""
    found = deltas(study)
    rows = [
        (method, task, *_spread(own[own["task"] == task]))
        for method, own in _by_method(study, found)
        for task in (*study.tasks, OVERALL)
    ]
    return pd.DataFrame(rows, columns=["method", "task", "samples", "mean", "std", "selected"])


def published_deltas(study: MultiTaskStudy) -> dict[str, dict[str, float]]:
    """{published row: {task: Delta}} of the published table by the same formula, relative to its own
    single-task row. Empty unless the table has every task of the study."""
    theirs, name = study.published, study.methods[study.reference]["published"]
    if set(theirs["task"]) != set(study.tasks) or name not in set(theirs["method"]):
        return {}
    rows = {
        str(method): own.set_index(["task", "metric"])["value"]
        for method, own in theirs.groupby("method", sort=False)
    }
    reference: dict[str, dict[str, float]] = {task: {} for task in study.tasks}
    for row in theirs[theirs["method"] == name].to_dict("records"):
        reference[row["task"]][row["metric"]] = float(row["value"])
    return {method: _relative(own, reference) for method, own in rows.items()}


def compare(found: pd.DataFrame, first: str, second: str, task: str = OVERALL) -> Difference:
    """Delta of `first` minus that of `second` at `task`, with what other samples of both would change.

    found: of `deltas`.
    The interval is that of Welch where both rows have several samples; where one has a single one, that of
    Student, which takes both to vary alike.
    """
    found = found[found["task"] == task]
    one, other = (found.loc[found["method"] == key, "value"].to_numpy(float) for key in (first, second))
    difference = float(one.mean() - other.mean())
    counts = (len(one), len(other))
    if max(counts) < 2:
        return Difference(difference, None)
    squares = [float(np.square(values - values.mean()).sum()) for values in (one, other)]
    if min(counts) < 2:
        freedom: float = sum(counts) - 2
        variance = sum(squares) / freedom * sum(1 / count for count in counts)
    else:
        parts = [square / (count - 1) / count for square, count in zip(squares, counts, strict=True)]
        variance = sum(parts)
        spread = sum(part**2 / (count - 1) for part, count in zip(parts, counts, strict=True))
        freedom = variance**2 / spread if spread else 1.0
    return Difference(difference, float(t.ppf(0.975, freedom)) * variance**0.5)


def above_constant(study: MultiTaskStudy) -> pd.DataFrame:
    """Columns method, task, better, metrics: how many of a task's metrics are better on the mean than those of
    the constant predictor, which sees no image. Empty if that did not run."""
    table = summarise(study)
    constant = table[table["method"] == study.constant].set_index("metric")["mean"]
    if constant.empty:
        return pd.DataFrame(columns=["method", "task", "better", "metrics"])
    others = table[table["method"] != study.constant]
    signs = others["metric"].map({name: 1 if higher else -1 for name, higher in HIGHER_IS_BETTER.items()})
    better = signs * (others["mean"] - others["metric"].map(constant)) > 0
    counted = others.assign(better=better).groupby(["method", "task"], sort=False)["better"]
    return counted.agg(better="sum", metrics="size").reset_index()


def _relative(values: pd.Series, reference: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Delta by task and overall of `values`, indexed by task and metric, on the metrics of `reference`."""
    scores = {task: {name: float(values[task, name]) for name in own} for task, own in reference.items()}
    tasks, overall = relative_performance(scores, reference)
    return {**tasks, OVERALL: overall}


def _by_method(study: MultiTaskStudy, frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    groups = dict(iter(frame.groupby("method")))
    return [(method, groups[method]) for method in study.shown_methods if method in groups]


def _spread(own: pd.DataFrame) -> tuple[int, float, float, float]:
    """(samples, mean, std, selected) of the columns value and selection."""
    values, selection = own["value"].to_numpy(float), own["selection"].to_numpy(float)
    std = float(values.std(ddof=1)) if len(values) > 1 else np.nan
    known = len(values) > 1 and bool(np.isfinite(selection).all())
    selected = float(values[int(selection.argmax())]) if known else np.nan
    return len(values), float(values.mean()), std, selected
