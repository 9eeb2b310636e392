"""Means over samples, relative performance, and differences between rows of a multi-task study.

What varies between the samples of a row is its seed and, where a policy is sampled, the policy; all policies
of a row are from one search. Test images are the same for all. What other images or another search would
change is in none of these numbers.

Samples that are copies of one training, as where a policy is drawn twice, weigh in every mean, but only
distinct trainings tell how much others would differ. With the share w of samples that each of k trainings has
and the mean m over samples, the variance between trainings is sum(w (x - m)^2) / (1 - sum(w^2)), with k - 1
degrees of freedom, and that of m is sum(w^2) times as much: the usual ones where all trainings weigh alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from farfield.results.sharing_study import SharingStudy
from farfield.results.verdicts import Verdict
from farfield.sharing.delta import relative_performance
from farfield.sharing.metrics import HIGHER_IS_BETTER

OVERALL = "overall"  # among tasks: the mean over them
_SPREAD_COLUMNS = ["samples", "trainings", "mean", "std", "selected"]
SUMMARY_COLUMNS = ["method", "task", "metric", *_SPREAD_COLUMNS]
DELTA_COLUMNS = ["method", "sample", "training", "task", "value", "selection"]


@dataclass(frozen=True)
class Difference:
    """The Delta of one row minus that of another in percentage points, and half its 95 % interval.

    ci95: None where neither row has two distinct trainings, or where all of them score the same, which says
    nothing about others.
    """

    difference: float
    ci95: float | None

    @property
    def verdict(self) -> Verdict:
        if self.ci95 is None or abs(self.difference) <= self.ci95:
            return "undecided"
        return "supported" if self.difference > 0 else "contradicted"


@lru_cache(maxsize=8)
def summarise(study: SharingStudy) -> pd.DataFrame:
    """SUMMARY_COLUMNS, a row for each metric of each method, in the order of methods and metrics.

    samples, trainings: how many there are, and how many of them are distinct trainings. mean: over samples.
    std: between trainings, NaN for a single one. selected: of the sample with the greatest `selection`, NaN
    where there is nothing to select from.
    """
    groups = dict(iter(study.results.groupby(["method", "task", "metric"])))
    rows = [
        (method, task, metric, *_spread(groups[method, task, metric]))
        for method in study.shown_methods
        for task, names in study.metrics.items()
        for metric in names
    ]
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)


@lru_cache(maxsize=8)
def deltas(study: SharingStudy) -> pd.DataFrame:
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
        for (sample, training), scored in own.groupby(["sample", "training"]):
            values = scored.set_index(["task", "metric"])["value"]
            selection = float(scored["selection"].iloc[0])
            for task, value in _relative(values, study.delta_metrics).items():
                rows.append((method, sample, training, task, value, selection))
    return pd.DataFrame(rows, columns=DELTA_COLUMNS)


@lru_cache(maxsize=8)
def summarise_deltas(study: SharingStudy) -> pd.DataFrame:
    """Columns method, task, samples, trainings, mean, std, selected of `deltas`, as in `summarise`."""
    found = deltas(study)
    rows = [
        (method, task, *_spread(own[own["task"] == task]))
        for method, own in _by_method(study, found)
        for task in (*study.tasks, OVERALL)
    ]
    return pd.DataFrame(rows, columns=["method", "task", *_SPREAD_COLUMNS])


def published_deltas(study: SharingStudy) -> dict[str, dict[str, float]]:
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
    """Delta of `first` minus that of `second` at `task`, with what other trainings of both would change.

    found: of `deltas`.
    The interval is that of Welch where both rows have several distinct trainings; where one has a single one,
    that of Student, which takes both to vary alike. None without two in either row, or if none differ. Rows
    are taken for independent: trainings that both share make it wider than it need be.
    """
    from scipy.special import stdtrit  # Student's quantile, without scipy.stats, which takes a second

    found = found[found["task"] == task]
    one, other = (_variation(found[found["method"] == key]) for key in (first, second))
    difference = one.mean - other.mean
    counts = (one.trainings, other.trainings)
    if max(counts) < 2:
        return Difference(difference, None)
    if min(counts) < 2:
        several = one if one.trainings > 1 else other
        variance = several.variance * (one.weight + other.weight)
        freedom: float = several.trainings - 1
    else:
        parts = [row.variance * row.weight for row in (one, other)]
        variance = sum(parts)
        spread = sum(part**2 / (count - 1) for part, count in zip(parts, counts, strict=True))
        freedom = variance**2 / spread if spread else 1.0
    if variance == 0:
        return Difference(difference, None)
    return Difference(difference, float(stdtrit(freedom, 0.975)) * variance**0.5)


def above_constant(study: SharingStudy) -> pd.DataFrame:
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


def _by_method(study: SharingStudy, frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    groups = dict(iter(frame.groupby("method")))
    return [(method, groups[method]) for method in study.shown_methods if method in groups]


@dataclass(frozen=True)
class _Variation:
    """How the trainings of a row vary, see the top of this file.

    variance: between trainings, NaN for a single one. weight: what part of it the mean over samples has.
    """

    trainings: int
    mean: float
    variance: float
    weight: float


def _variation(own: pd.DataFrame) -> _Variation:
    """Of the columns training and value, a row a sample."""
    # By hand, in the order of appearance: a groupby of a few rows costs 20 times as much.
    training = pd.factorize(own["training"])[0]
    _, first, copies = np.unique(training, return_index=True, return_counts=True)
    values, shares = own["value"].to_numpy(float)[first], copies / len(own)
    # From one of the values, so that equal ones have no variance by rounding.
    apart = values - values[0]
    centre = float(shares @ apart)
    weight = float(shares @ shares)
    several = len(values) > 1
    variance = float(shares @ np.square(apart - centre)) / (1 - weight) if several else np.nan
    return _Variation(len(values), float(values[0]) + centre, variance, weight)


def _spread(own: pd.DataFrame) -> tuple[int, int, float, float, float]:
    """_SPREAD_COLUMNS of the columns training, value and selection."""
    values, selection = own["value"].to_numpy(float), own["selection"].to_numpy(float)
    found = _variation(own)
    known = found.trainings > 1 and bool(np.isfinite(selection).all())
    selected = float(values[int(selection.argmax())]) if known else np.nan
    return len(values), found.trainings, found.mean, found.variance**0.5, selected
