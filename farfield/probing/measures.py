"""How well a classifier of all classes does, from answers for images that it has not learned from."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, ndtri

BINS = 15  # of confidence, in the expected calibration error
NEW = (
    3  # how much more a mean of half as many new images varies about one found here than the latter by itself
)
Z = float(ndtri(0.975))


@dataclass(frozen=True)
class Measures:
    """In percent. accuracy, balanced, macro_f1: with `ci95` around the accuracy. recall: [classes].
    confusion: int [classes, classes], truth by answer, summed over repeats. temperature: what divides logits.
    ece, ece_calibrated: expected calibration error before and after."""

    accuracy: float
    ci95: float
    balanced: float
    macro_f1: float
    recall: np.ndarray
    confusion: np.ndarray
    temperature: float
    ece: float
    ece_calibrated: float


def measure(logits: np.ndarray, labels: np.ndarray, parts: np.ndarray, heat: float | None = None) -> Measures:
    """logits: float [repeats, n, classes] of left-out images. labels: int [n]. parts: int [repeats, n], the
    part that each image was left out with; temperatures of calibrated figures come from the others. heat: a
    temperature that was found elsewhere, as for a test split, in their place."""
    repeats, _, classes = logits.shape
    answers = logits.argmax(-1)
    right = answers == labels
    confusion = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(confusion, (np.broadcast_to(labels, answers.shape), answers), 1)
    hits, asked, given = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    recall = hits / np.maximum(asked, 1)
    f1 = 2 * hits / np.maximum(asked + given, 1)
    calibrated = logits / (heat or 1.0)
    for repeat in range(repeats if heat is None else 0):
        for part in np.unique(parts[repeat]):
            inside = parts[repeat] == part
            calibrated[repeat, inside] /= temperature(logits[repeat, ~inside], labels[~inside])
    truth = np.tile(labels, repeats)
    return Measures(
        accuracy=100 * float(right.mean()),
        ci95=100 * interval(right.mean(0)),
        balanced=100 * float(recall.mean()),
        macro_f1=100 * float(f1.mean()),
        recall=100 * recall,
        confusion=confusion,
        temperature=heat or temperature(logits.reshape(-1, classes), truth),
        ece=100 * calibration_error(logits.reshape(-1, classes), truth),
        ece_calibrated=100 * calibration_error(calibrated.reshape(-1, classes), truth),
    )


def interval(right: np.ndarray, units: np.ndarray | None = None) -> float:
    """Half the 95 % interval of the share that is right of half as many new images, of the same kind.

    right: [n], the share of an image's answers that are right. units: [n], equal for images that belong together;
    then it is for half as many new units. Both those here and the new ones vary: var (1 / n + 2 / n), with
    Agresti and Coull's two right and two wrong more, which keep it honest near 100 %.
    """
    more = np.concatenate([right, [0.0, 0.0, 1.0, 1.0]])
    if units is not None:
        units = np.concatenate([units, units.max() + 1 + np.arange(4)])
    return Z * float(np.sqrt(NEW * variance_of_mean(more, units)))


def variance_of_mean(values: np.ndarray, units: np.ndarray | None = None) -> float:
    """Of values [n]; with units, of those whose units were drawn, not the values one by one."""
    if units is None:
        return float(values.var() / len(values))
    sums = np.bincount(units, weights=values - values.mean())
    return float(np.square(sums).sum() / len(values) ** 2)


def difference(first: np.ndarray, second: np.ndarray, units: np.ndarray | None = None) -> tuple[float, float]:
    """Mean of `first` - `second` over images [n] in percentage points, and half its 95 % interval."""
    gaps = 100 * (first - second)
    spread = variance_of_mean(gaps, units) * len(gaps) / (len(gaps) - 1)
    return float(gaps.mean()), Z * spread**0.5


def temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """What divides logits [n, classes] for the least cross-entropy, 0.05 to 20 (Guo et al., ICML 2017)."""
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        return -float(log_softmax(logits / np.exp(log_temperature), axis=-1)[rows, labels].mean())

    return float(np.exp(minimize_scalar(loss, bounds=np.log([0.05, 20]), method="bounded").x))


def calibration_error(logits: np.ndarray, labels: np.ndarray) -> float:
    """Expected calibration error: mean distance of confidence and accuracy over 15 bins of equal width."""
    probabilities = np.exp(log_softmax(logits, axis=-1))
    confidence, right = probabilities.max(-1), probabilities.argmax(-1) == labels
    places = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(places, weights=confidence - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(labels))
