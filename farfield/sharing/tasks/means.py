"""A mean over the pixels of all images, from one batch after another."""

import torch
from torch import Tensor

from farfield.errors import InputError


class Mean:
    """The mean of a value over all valid pixels, or over images of the mean in each.

    Sums are float64 on the device of the values: nothing is sent to the CPU before `value`.
    """

    def __init__(self, of: str, per_image: bool = False) -> None:
        self.of, self.per_image = of, per_image
        self.total = self.weight = torch.zeros((), dtype=torch.float64)

    def update(self, values: Tensor, weights: Tensor) -> None:
        """values: [B, ...]. weights: the same shape; 0 or False where a pixel does not count, whatever
        its value."""
        counted = torch.where(weights > 0, values * weights, 0).flatten(1)
        totals = counted.sum(1, dtype=torch.float64)
        sizes = weights.flatten(1).sum(1, dtype=torch.float64)
        if self.per_image:
            known = sizes > 0
            totals, sizes = torch.where(known, totals / sizes.where(known, 1), 0), known.double()
        self.total = self.total.to(totals.device) + totals.sum()
        self.weight = self.weight.to(sizes.device) + sizes.sum()

    def value(self) -> float:
        """InputError if there was no valid pixel."""
        return float(self.total / known(self.weight, self.of))


def known(count: Tensor, of: str) -> Tensor:
    """`count` of the pixels that a metric is a mean over. InputError if there is none."""
    if not count > 0:
        raise InputError(
            f"no evaluated image has a pixel whose {of} is known, so it cannot be scored; evaluate on more "
            f"images or leave the task out"
        )
    return count
