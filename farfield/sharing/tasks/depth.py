"""Depth of scenes: float targets [B, 1, H, W] above 0, NaN where unknown. The loss is `absolute_loss`."""

import torch
from torch import Tensor

from farfield.sharing.protocol import FIXED, Protocol
from farfield.sharing.tasks.means import Mean
from farfield.sharing.tasks.resolution import to_target

LEAST = 1e-6
DELTAS = {"depth_delta_1.25": 1.25, "depth_delta_1.25^2": 1.25**2, "depth_delta_1.25^3": 1.25**3}


class DepthMeter:
    """Of a prediction d and the truth g: mean |d - g|, mean |d - g| / g, and the share in percent of
    pixels with max(d / g, g / d) of at most 1.25, 1.25^2, 1.25^3.

    A truth that is not above 0 has no ratio, and counts as unknown.
    """

    def __init__(self, protocol: Protocol = FIXED) -> None:
        per_image = protocol.means == "per_image"
        self.absolute, self.relative = Mean("depth", per_image), Mean("depth", per_image)
        self.deltas = {name: Mean("depth") for name in DELTAS}
        self.clamped = protocol.negative_depth == "clamped"

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """prediction: [B, 1, H, W], or a smaller one."""
        given = to_target(prediction, target.shape[-2:]).float()
        valid = target > 0  # NaN is not
        truth = torch.where(valid, target, 1)
        errors = (given - truth).abs()
        self.absolute.update(errors, valid)
        self.relative.update(errors / truth, valid)
        compared = given.clamp(min=LEAST) if self.clamped else given
        ratio = torch.maximum(compared / truth, truth / compared)
        for name, limit in DELTAS.items():
            self.deltas[name].update((ratio <= limit).float(), valid)

    def compute(self) -> dict[str, float]:
        return {
            "depth_abs_error": self.absolute.value(),
            "depth_rel_error": self.relative.value(),
            **{name: 100 * share.value() for name, share in self.deltas.items()},
        }
