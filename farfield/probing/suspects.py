"""Images and labels that a person should look at: likely wrong labels, outliers, classes that may be one.

Wrong labels by confident learning (Northcutt, Jiang and Chuang, JAIR 2021): an image belongs to another class if
its left-out probability there reaches what that class's own images have on average. Most of the image's nearest
neighbours, which are found without any label, must say so too.
"""

from itertools import combinations

import numpy as np
from scipy.special import softmax
from scipy.stats import rankdata

from farfield.probing.diagnosis import Outliers, SameClasses, Suspects
from farfield.probing.intervals import wilson
from farfield.probing.measures import temperature

NEIGHBOURS, NEAREST = 10, 5  # images asked about a label, and about being alone
FENCE = 2.0  # in distances of the quartiles
ONE = 60.0  # percent; above it two classes are told apart, however few their images


def suspects(logits: np.ndarray, labels: np.ndarray, near: np.ndarray) -> Suspects:
    """logits: [repeats, n, classes] of left-out images. near: int [n, k], of every image the rows of its nearest
    others, from `nearest`."""
    classes = logits.shape[-1]
    heat = temperature(logits.reshape(-1, classes), np.tile(labels, len(logits)))
    likely = softmax(logits / heat, axis=-1).mean(0)
    rows = np.arange(len(labels))
    own = likely[rows, labels]
    others = likely.copy()
    others[rows, labels] = -1
    suggested = others.argmax(1)
    around = np.eye(classes)[labels[near]].mean(1)
    score = likely[rows, suggested] - own + around[rows, suggested] - around[rows, labels]
    usual = np.bincount(labels, weights=own, minlength=classes) / np.bincount(labels, minlength=classes)
    confident = (likely[rows, suggested] >= usual[suggested]) & (likely[rows, suggested] > own)
    found = rows[confident & (around[rows, suggested] > 0.5)]
    found = found[np.argsort(-score[found], kind="stable")]
    return Suspects(
        rows=found,
        given=labels[found],
        suggested=suggested[found],
        own=100 * own[found],
        other=100 * likely[found, suggested[found]],
        neighbours=100 * around[found, suggested[found]],
        scores=score,
        expected=int(confident.sum()),
    )


def nearest(
    features: np.ndarray, count: int, clusters: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Rows int [n, k] of the k <= `count` nearest others of features [n, d] of length one, and cosine distances
    [n, k]. clusters: int [n]; images of one are not asked about each other while there are others."""
    alike = features @ features.T
    apart = -alike if clusters is None else 4 * (clusters[:, None] == clusters) - alike
    np.fill_diagonal(apart, np.inf)
    rows = np.argsort(apart, axis=1, kind="stable")[:, : min(count, len(features) - 1)]
    return rows, 1 - np.take_along_axis(alike, rows, 1)


def outliers(distances: np.ndarray) -> Outliers:
    """distances: [n, k], to the nearest others. The fence is Tukey's, on logarithms: the upper quartile and
    `FENCE` times the distance of the quartiles; of a normal law 4 in 10,000 lie beyond."""
    own = distances[:, :NEAREST].mean(1)
    low, high = np.quantile(np.log(np.maximum(own, 1e-6)), [0.25, 0.75])
    beyond = np.flatnonzero(own > np.exp(high + FENCE * (high - low)))
    return Outliers(rows=beyond[np.argsort(-own[beyond], kind="stable")], distances=own)


def same_classes(logits: np.ndarray, labels: np.ndarray) -> SameClasses:
    """Of every pair of classes, how often the difference of their logits is larger for an image of the first than
    for one of the second (the area under the curve, which a shift of the logits does not move), with Wilson's
    interval for the smaller class. A pair is one if chance lies inside it and the share is below `ONE`."""
    mean = logits.mean(0)
    pairs, right = [], []
    for one, other in combinations(range(logits.shape[-1]), 2):
        here, there = (mean[labels == each, one] - mean[labels == each, other] for each in (one, other))
        ranks = rankdata(np.concatenate([here, there]))[: len(here)]
        share = (ranks.sum() - len(here) * (len(here) + 1) / 2) / (len(here) * len(there))
        low, high = wilson(share, np.array(min(len(here), len(there))))
        if low <= 0.5 and 100 * share < ONE:
            pairs.append((one, other))
            right.append((100 * share, 100 * float(low), 100 * float(high)))
    return SameClasses(np.array(pairs, dtype=np.int64).reshape(-1, 2), np.array(right).reshape(-1, 3))
