"""Whether wrong labels of these very images would be found: some are changed in a copy and looked for.

What seems wrong to a classifier that knows its classes mostly is; to one that hardly does, almost anything
seems so. Changes are drawn at random, label by label, so nothing is said of wrong labels between two classes that
are much alike, or of a group that is wrong as a whole.
"""

import numpy as np

from farfield.probing.diagnosis import Planted
from farfield.probing.evaluation import left_out_logits
from farfield.probing.logistic import Basis
from farfield.probing.suspects import suspects
from farfield.seeds import stream

SHARE = 0.05  # of the labels that are changed in a copy
ENOUGH, COPIES = 40, 4  # labels in all, in so many copies at most


def plant(found: Basis, labels: np.ndarray, parts: np.ndarray, near: np.ndarray, seed: int) -> Planted:
    """found: of what the classifier learns from. parts: int [repeats, n], which part each image is left out with.
    near: int [n, k], of every image the rows of its nearest others."""
    draws = stream(seed, "planted labels")
    changed = listed = right = 0
    for _ in range(min(COPIES, -(-ENOUGH // count_of(labels)))):
        copy, rows = with_changes(labels, draws)
        seem = suspects(left_out_logits(found, copy, parts), copy, near).rows
        changed += len(rows)
        listed += len(seem)
        right += int(np.isin(seem, rows).sum())
    return Planted(changed, listed, right)


def with_changes(labels: np.ndarray, draws: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A copy of int [n] in which `count_of` labels name another class, and their rows. No class is emptied."""
    rows = np.setdiff1d(np.arange(len(labels)), np.unique(labels, return_index=True)[1])
    rows = draws.choice(rows, count_of(labels), replace=False)
    classes, copy = int(labels.max()) + 1, labels.copy()
    copy[rows] = (labels[rows] + draws.integers(1, classes, len(rows))) % classes
    return copy, rows


def count_of(labels: np.ndarray) -> int:
    return max(1, round(SHARE * len(labels)))
