"""Accuracies and differences of fine-tuned networks, with what test images and trainings leave open.

Two things vary: which images the test happens to hold, and what a training happens to end in. Intervals of
`summarise` are over images alone, for these networks. `compare` adds the trainings where both sides have
several, since a method that won by its seed would not win again. Episode statistics
(`farfield.results.contrasts`) have the first source of chance alone, which is why they are not used here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from farfield.episodes.statistics import mean_interval
from farfield.errors import InputError
from farfield.results.comparisons import holm
from farfield.results.tuning_study import TuningStudy
from farfield.results.verdicts import Verdict

SUMMARY_COLUMNS = ["method", "dataset", "images", "trainings", "accuracy", "ci95", "std", "trainings_ci95"]
DIFFERENCE_COLUMNS = ["method", "dataset", "difference", "ci95", "p", "holm", "images", "over_trainings"]


@dataclass(frozen=True)
class Difference:
    """The first method minus the second in percentage points, half its 95 % interval, and a p-value.

    images: the fewest of a dataset. over_trainings: whether the interval holds what other seeds would do.
    """

    difference: float
    ci95: float
    p: float
    images: int
    over_trainings: bool

    @property
    def verdict(self) -> Verdict:
        if abs(self.difference) <= self.ci95:
            return "undecided"
        return "supported" if self.difference > 0 else "contradicted"


def summarise(study: TuningStudy) -> pd.DataFrame:
    """SUMMARY_COLUMNS, a row for each method on each dataset.

    accuracy: percent, the mean over trainings; ci95: half its 95 % interval over test images. std: between
    trainings (ddof=1), and trainings_ci95: half of Student's interval of the mean over trainings; both NaN
    for a single one.
    """
    from scipy.special import stdtrit

    rows = []
    for method in study.shown_methods:
        for dataset, hits in study.hits.items():
            if method not in hits:
                continue
            accuracies = trained_accuracies(study, method, dataset).to_numpy()
            count, std, around = len(accuracies), np.nan, np.nan
            if count > 1:
                std = accuracies.std(ddof=1)
                around = stdtrit(count - 1, 0.975) * std / count**0.5
            rows.append((method, dataset, len(hits), count, *mean_interval(hits[method]), std, around))
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)


def compare(study: TuningStudy, first: str, second: str, datasets: Sequence[str]) -> Difference:
    """`first` minus `second`, the mean over `datasets`, on the same test images.

    The variance of a difference is that of its mean over images, paired image by image, and, where both
    have several trainings, that of its mean over trainings: paired for rows of one training, which ask the
    same networks. The parts are independent and add up; the interval is Student's with the degrees of
    freedom of Welch and Satterthwaite ("An Approximate Distribution of Estimates of Variance Components",
    1946). The first part holds a share of what varies between trainings too, so intervals are a little wide.
    """
    from scipy.special import stdtr, stdtrit

    values: list[float] = []
    parts: list[tuple[float, int]] = []  # variance of the mean, degrees of freedom
    several = True
    for dataset in datasets:
        hits = study.hits[dataset]
        difference = (hits[first] - hits[second]).to_numpy()
        if len(difference) < 2:
            raise InputError(
                f"{dataset} has {len(difference)} test image; at least two are needed for an interval. Give "
                f"its task more test images."
            )
        values.append(float(difference.mean()))
        parts.append((float(difference.var(ddof=1)) / len(difference), len(difference) - 1))
        between = _between_trainings(study, first, second, dataset)
        several = several and bool(between)
        parts += between
    variances, freedoms = np.array(parts).T / np.array([[len(values) ** 2], [1]])
    mean, variance = float(np.mean(values)), float(variances.sum())
    images = min(len(study.hits[dataset]) for dataset in datasets)
    if variance == 0:  # the same answers everywhere, or the opposite ones
        return Difference(mean, 0.0, float(mean == 0), images, several)
    freedom = variance**2 / float((variances**2 / freedoms).sum())
    error = variance**0.5
    p = 2 * float(stdtr(freedom, -abs(mean) / error))
    return Difference(mean, float(stdtrit(freedom, 0.975)) * error, p, images, several)


def against_reference(study: TuningStudy) -> pd.DataFrame:
    """DIFFERENCE_COLUMNS: every method minus the reference on each dataset that both have.

    holm: p adjusted by Holm's method for all rows. Empty if the reference did not run.
    """
    rows = []
    for method in study.shown_methods:
        for dataset in study.shown_datasets:
            if method != study.reference and {method, study.reference} <= set(study.hits[dataset]):
                found = compare(study, method, study.reference, [dataset])
                cell = (found.difference, found.ci95, found.p, 1.0, found.images, found.over_trainings)
                rows.append((method, dataset, *cell))
    frame = pd.DataFrame(rows, columns=DIFFERENCE_COLUMNS)
    return frame.assign(holm=holm(frame["p"].to_numpy(float)))


def trained_accuracies(study: TuningStudy, method: str, dataset: str) -> pd.Series:
    """Accuracy in percent of each training of `method` on `dataset`, by replicate."""
    frame = study.accuracies
    own = frame[(frame["method"] == method) & (frame["dataset"] == dataset)]
    return own.set_index("replicate")["accuracy"]


def _between_trainings(study: TuningStudy, first: str, second: str, dataset: str) -> list[tuple[float, int]]:
    """Variances of means over trainings with their degrees of freedom; none if a side has a single one."""
    one, other = (trained_accuracies(study, method, dataset) for method in (first, second))
    same_networks = study.methods[first]["training"] == study.methods[second]["training"]
    samples = [(one - other).dropna()] if same_networks else [one, other]
    if min(len(sample) for sample in samples) < 2:
        return []
    return [(float(sample.var(ddof=1)) / len(sample), len(sample) - 1) for sample in samples]
