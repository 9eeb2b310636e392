"""The split for tests that came with the labels, if one did."""

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from farfield.own.images import OwnImages
from farfield.probing.diagnosis import Estimate
from farfield.probing.evaluation import Candidate, ask
from farfield.probing.intervals import wilson


def on_test_split(own: OwnImages, candidate: Candidate, blocks: Mapping[str, Tensor]) -> Estimate | None:
    """Accuracy in percent on the images of the split test, of a fit to all others, with Wilson's interval; none
    if there is no such split, or a class is in it alone."""
    asked = own.splits == "test"
    if not asked.any() or len(np.unique(own.labels[~asked])) < len(own.class_names):
        return None
    right = ask(candidate, blocks, own.labels, asked).argmax(1) == own.labels[asked]
    low, high = wilson(right.mean(), np.array(len(right)))
    return Estimate(100 * float(right.mean()), 100 * float(low), 100 * float(high))
