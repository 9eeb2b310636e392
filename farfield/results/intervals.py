"""How sure are we: means, deviations and differences of rows, with what chance would change, for any study.

`Study.varies` says what chance there is. A difference has independent parts of variance that add up: that of
its mean over test cases, paired case by case since all rows met the same, and that of its mean over
trainings, since a row that won by its seed would not win again. By Student's law the interval has the degrees
of freedom of Welch and Satterthwaite ("An Approximate Distribution of Estimates of Variance Components",
1946).

Samples that are copies of one training, as where a policy is drawn twice, weigh in every mean, but only
distinct trainings tell how much others would differ. With the share w of samples that each of k trainings has
and the mean m over samples, the variance between trainings is sum(w (x - m)^2) / (1 - sum(w^2)), with k - 1
degrees of freedom, and that of m is sum(w^2) times as much: the usual ones where all trainings weigh alike.
What other images would change where test cases do not vary, or another search for a policy, is in no number
here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from farfield.episodes.statistics import ENDS, mean_interval
from farfield.errors import InputError
from farfield.results.comparisons import holm
from farfield.results.study import Study

Verdict = Literal["supported", "contradicted", "undecided", "not enough episodes", "not tested"]
SUMMARY = [
    *("row", "cell", "metric", "units", "samples", "trainings"),
    *("mean", "ci95", "std", "trainings_ci95", "selected"),
]
DIFFERENCES = ["row", "cell", "difference", "ci95", "p", "holm", "units", "over_trainings"]
Part = tuple[float, float]  # a variance of a mean, and its degrees of freedom


@dataclass(frozen=True)
class Difference:
    """One row minus another, with half its 95 % interval (None: nothing is known), and what it says of a
    claim.

    units: the fewest test cases of a cell. over_trainings: whether the interval holds what other seeds would
    do. reach: what decides in the place of ci95, if that is not Student's. needed: how many test cases a cell
    would tell one point from zero; 0 where that is not asked.
    """

    difference: float
    ci95: float | None
    p: float = float("nan")
    units: int = 0
    over_trainings: bool = False
    reach: float | None = None
    needed: int = 0

    @property
    def enough(self) -> bool:
        return self.units >= self.needed

    @property
    def verdict(self) -> Verdict:
        return self.within(0.0)

    def within(self, margin: float) -> Verdict:
        """Of the claim that it is above zero, or at the most `margin` points below."""
        reach = self.ci95 if self.reach is None else self.reach
        if reach is None:
            return "undecided"
        if self.difference < -reach:
            return "contradicted"
        return "supported" if self.difference > reach - margin else "undecided"


@dataclass(frozen=True)
class Variation:
    """How the trainings of a row vary; variance: between them, NaN for a single one; weight: what part of it
    the mean over samples has."""

    trainings: int
    mean: float
    variance: float
    weight: float

    @property
    def part(self) -> Part:
        return self.variance * self.weight, self.trainings - 1


def variation(own: pd.DataFrame) -> Variation:
    """Of the columns training and value, a line a sample."""
    # By hand, in the order of appearance: a groupby of a few lines costs 20 times as much.
    training = pd.factorize(own["training"])[0]
    _, first, copies = np.unique(training, return_index=True, return_counts=True)
    values, shares = own["value"].to_numpy(float)[first], copies / len(own)
    # From one of the values, so that equal ones have no variance by rounding.
    apart = values - values[0]
    centre = float(shares @ apart)
    weight = float(shares @ shares)
    several = len(values) > 1
    variance = float(shares @ np.square(apart - centre)) / (1 - weight) if several else np.nan
    return Variation(len(values), float(values[0]) + centre, variance, weight)


def student(difference: float, parts: Sequence[Part], units: int = 0, several: bool = False) -> Difference:
    """Student's interval and p-value of a difference whose variance is the sum of `parts`."""
    from scipy.special import stdtr, stdtrit  # without scipy.stats, which takes a second

    variance = sum(part for part, _ in parts)
    if variance == 0:  # the same values everywhere, or the opposite ones
        return Difference(difference, 0.0, float(difference == 0), units, several)
    freedom = variance**2 / sum(part**2 / count for part, count in parts)
    error = variance**0.5
    p = 2 * float(stdtr(freedom, -abs(difference) / error))
    return Difference(difference, float(stdtrit(freedom, ENDS[1])) * error, p, units, several)


def compare(
    study: Study, first: str, second: str, cells: Sequence[str], metric: str = "accuracy"
) -> Difference:
    """`first` minus `second`, the mean over `cells`.

    Trainings are paired for rows of one training, which ask the same networks, and else taken for
    independent. Where test cases vary, their part holds a share of what varies between trainings too, so
    intervals are a little wide.
    """
    values: list[float] = []
    parts: list[Part] = []
    several = True
    for cell in cells:
        between = _between(study, first, second, cell, metric)
        several = several and bool(between)
        if study.varies.units:
            wide = study.units[cell]
            apart = (wide[first] - wide[second]).dropna().to_numpy()
            if len(apart) < 2:
                raise InputError(
                    f"{cell} has {len(apart)} test image; at least two are needed for an interval. Give "
                    f"its task more test images."
                )
            values.append(float(apart.mean()))
            parts.append((float(apart.var(ddof=1)) / len(apart), len(apart) - 1))
        else:
            one, other = (variation(study.trained[row, cell, metric]) for row in (first, second))
            values.append(one.mean - other.mean)
        parts += between
    share = len(values) ** 2
    parts = [(variance / share, freedom) for variance, freedom in parts]
    mean = float(np.mean(values))
    if not study.varies.units and not sum(variance for variance, _ in parts):
        return Difference(mean, None)  # no two trainings that differ, which says nothing of others
    units = min(len(study.units[cell]) for cell in cells) if study.varies.units else 0
    return student(mean, parts, units, several)


def _between(study: Study, first: str, second: str, cell: str, metric: str) -> list[Part]:
    """The parts that trainings have; none if they do not count."""
    if study.varies.trainings == "no":
        return []
    one, other = (study.trained[row, cell, metric] for row in (first, second))
    networks = [study.rows[row].get("training", row) for row in (first, second)]
    if networks[0] == networks[1]:
        both = one.merge(other, on="training", suffixes=("", "_other"))
        samples = [variation(both.assign(value=both["value"] - both["value_other"]))]
    else:
        samples = [variation(one), variation(other)]
    counts = [sample.trainings for sample in samples]
    if min(counts) > 1:
        return [sample.part for sample in samples]
    if max(counts) < 2 or study.varies.trainings == "both":
        return []
    known = max(samples, key=lambda sample: sample.trainings)
    return [(known.variance * sum(sample.weight for sample in samples), known.trainings - 1)]


def summarise(study: Study) -> pd.DataFrame:
    """SUMMARY, a line for each metric of each row on each cell, in the order of rows and cells.

    mean, ci95: over test cases where these vary, with half their 95 % interval by 1.96 standard errors; else
    over samples, without ci95. std: between trainings, and trainings_ci95: half of Student's interval of the
    mean over them; both NaN for a single one. selected: of the sample with the greatest selection, NaN where
    none is selected.
    """
    from scipy.special import stdtrit

    measured = [(cell, metric) for cell in study.cells for metric in study.metrics[cell]]
    lines = []
    for row in study.shown_rows:
        for cell, metric in measured:
            own = study.trained.get((row, cell, metric))
            if own is None:
                continue
            found = variation(own)
            std = found.variance**0.5
            around = np.nan
            if found.trainings > 1:
                around = stdtrit(found.trainings - 1, ENDS[1]) * std * found.weight**0.5
            mean, ci95, units = found.mean, np.nan, 0
            if study.varies.units:
                values = study.units[cell][row].dropna()
                mean, ci95, units = *mean_interval(values), len(values)
            numbers = (
                units,
                len(own),
                found.trainings,
                mean,
                ci95,
                std,
                around,
                _selected(own, found.trainings),
            )
            lines.append((row, cell, metric, *numbers))
    return pd.DataFrame(lines, columns=SUMMARY)


def _selected(own: pd.DataFrame, trainings: int) -> float:
    selection = own["selection"].to_numpy(float)
    known = trainings > 1 and bool(np.isfinite(selection).all())
    return float(own["value"].to_numpy(float)[int(selection.argmax())]) if known else np.nan


def against_reference(study: Study) -> pd.DataFrame:
    """DIFFERENCES: every row minus the reference on each cell that both have.

    holm: p adjusted by Holm's method for all lines. Empty if the reference did not run.
    """
    lines = []
    for row in study.shown_rows:
        for cell in study.cells:
            if row != study.reference and {row, study.reference} <= set(study.units[cell]):
                found = compare(study, row, study.reference, [cell])
                numbers = (found.difference, found.ci95, found.p, 1.0, found.units, found.over_trainings)
                lines.append((row, cell, *numbers))
    frame = pd.DataFrame(lines, columns=DIFFERENCES)
    return frame.assign(holm=holm(frame["p"].to_numpy(float)))
