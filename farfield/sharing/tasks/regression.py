"""Keypoints, edges and depth: one float a pixel, targets [B, 1, H, W], NaN where unknown."""

import torch
from torch import Tensor

from farfield.sharing.protocol import FIXED, Protocol
from farfield.sharing.tasks.means import Mean
from farfield.sharing.tasks.resolution import to_target


def absolute_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean |prediction - target| over the known pixels; 0 if there is none. Both [B, 1, h, w]."""
    errors, valid = absolute_errors(prediction, target)
    return errors.sum() / valid.sum().clamp(min=1)


def absolute_errors(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """|prediction - target|, 0 where the target is unknown, and whether it is known."""
    valid = target.isfinite()
    # Chosen before the difference, so that no gradient meets a NaN.
    return torch.where(valid, prediction.float() - torch.where(valid, target, 0), 0).abs(), valid


class AbsoluteErrorMeter:
    """The mean absolute error under the name `metric`, such as keypoint_error."""

    def __init__(self, metric: str, protocol: Protocol = FIXED) -> None:
        self.metric = metric
        self.error = Mean(metric.removesuffix("_error"), per_image=protocol.means == "per_image")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """prediction: [B, 1, H, W], or a smaller one."""
        self.error.update(*absolute_errors(to_target(prediction, target.shape[-2:]), target))

    def compute(self) -> dict[str, float]:
        return {self.metric: self.error.value()}
