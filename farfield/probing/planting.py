"""Whether wrong labels of these very images would be found: some are changed on purpose and looked for.

What is suspicious to a classifier that knows its classes is mostly wrong; to one that hardly does, almost
anything is. How many of the changed labels come first says which of the two it is. Labels that were wrong before
come first too, so the share is rather too low than too high.
"""

import numpy as np

from farfield.probing.diagnosis import Planted
from farfield.probing.evaluation import left_out_logits
from farfield.probing.logistic import Basis
from farfield.probing.suspects import suspects

SHARE = 0.05  # of the labels that are changed at a time
ENOUGH, TRIALS = 40, 4  # labels in all, in so many trials at most


def plant(found: Basis, labels: np.ndarray, parts: np.ndarray, near: np.ndarray, seed: int) -> Planted:
    """found: of what the classifier learns from. parts: int [repeats, n], which part each image is left out with.
    near: int [n, k], of every image the rows of its nearest others. seed: of which labels are changed, to which
    other class."""
    draws = np.random.default_rng(seed)
    classes = int(labels.max()) + 1
    others = np.setdiff1d(
        np.arange(len(labels)), np.unique(labels, return_index=True)[1]
    )  # no class is emptied
    count = max(1, round(SHARE * len(labels)))
    trials = min(TRIALS, -(-ENOUGH // count))
    right = 0
    for _ in range(trials):
        rows = draws.choice(others, count, replace=False)
        changed = labels.copy()
        changed[rows] = (labels[rows] + draws.integers(1, classes, count)) % classes
        scores = suspects(left_out_logits(found, changed, parts), changed, near).scores
        right += int(np.isin(np.argsort(-scores, kind="stable")[:count], rows).sum())
    return Planted(trials * count, right)
