"""Sets of classes that hold the right one as often as is stated, from probabilities of left-out images.

Sadinle, Lei and Wasserman, "Least Ambiguous Set-Valued Classifiers with Bounded Error Levels" (JASA 2019): a set
is every class whose probability reaches a threshold, below which stated shares of left-out images' own classes
lie. Images left out of folds stand for new ones, as in Vovk's cross-conformal prediction (2015). Where more
images are answered rightly than is stated, some sets are empty: no class is likely enough.
"""

import numpy as np
from scipy.special import softmax

from farfield.probing.diagnosis import PredictionSets
from farfield.probing.intervals import estimate
from farfield.probing.measures import interval, temperature

STATED = 90.0  # percent


def thresholds(own: np.ndarray, labels: np.ndarray, stated: float, each_class: bool) -> np.ndarray:
    """[classes] from calibrated probabilities `own` [repeats, n, classes] of images that were not learned from.

    The rank is that of one more image among n, so coverage is at least `stated` on average; with too few images
    for it (of a class, if `each_class`) the threshold is 0, and every class is in.
    """
    repeats, _, classes = own.shape
    truth = np.take_along_axis(own, np.broadcast_to(labels, own.shape[:2])[..., None], 2)[..., 0]

    def lowest(inside: np.ndarray) -> float:
        rank = int((1 - stated / 100) * (inside.sum() + 1) * repeats + 1e-9)
        return float(np.sort(truth[:, inside].ravel())[rank - 1]) if rank >= repeats else 0.0

    if not each_class:
        return np.full(classes, lowest(np.ones(len(labels), dtype=bool)))
    return np.array([lowest(labels == label) for label in range(classes)])


def prediction_sets(
    logits: np.ndarray,
    labels: np.ndarray,
    parts: np.ndarray,
    stated: float = STATED,
    *,
    each_class: bool = False,
    units: np.ndarray | None = None,
) -> PredictionSets:
    """logits [repeats, n, classes] of images [n] left out with their part [repeats, n]. each_class: the coverage
    is that of every class by itself, at the price of larger sets."""
    inside = np.zeros(logits.shape, dtype=bool)
    for repeat, own in enumerate(parts):
        for part in np.unique(own):
            left_out = own == part
            heat = temperature(logits[repeat, ~left_out], labels[~left_out])
            likely = softmax(logits[repeat] / heat, axis=-1)
            least = thresholds(likely[None, ~left_out], labels[~left_out], stated, each_class)
            inside[repeat, left_out] = likely[left_out] >= least
    covered = np.take_along_axis(inside, np.broadcast_to(labels, parts.shape)[..., None], 2)[..., 0].mean(0)
    heat = temperature(logits.reshape(-1, logits.shape[-1]), np.tile(labels, len(logits)))
    sizes = np.bincount(inside.sum(-1).ravel(), minlength=logits.shape[-1] + 1)
    return PredictionSets(
        stated=stated,
        each_class=each_class,
        thresholds=thresholds(softmax(logits / heat, axis=-1), labels, stated, each_class),
        coverage=estimate(100 * float(covered.mean()), 100 * interval(covered, units)),
        sizes=sizes,
        temperature=heat,
    )
