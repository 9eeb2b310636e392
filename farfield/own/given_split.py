"""The split for tests that came with the labels, if one did."""

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from farfield.own.images import OwnImages
from farfield.probing.diagnosis import Estimate
from farfield.probing.evaluation import Candidate, ask


def on_test_split(own: OwnImages, candidate: Candidate, blocks: Mapping[str, Tensor]) -> Estimate | None:
    """Accuracy in percent on the images of the split test, of a fit to all others, with Wilson's interval; none
    if there is no such split, or a class is in it alone."""
    from scipy.stats import binomtest

    asked = own.splits == "test"
    if not asked.any() or len(np.unique(own.labels[~asked])) < len(own.class_names):
        return None
    right = ask(candidate, blocks, own.labels, asked).argmax(1) == own.labels[asked]
    low, high = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
    return Estimate(100 * float(right.mean()), 100 * low, 100 * high)
