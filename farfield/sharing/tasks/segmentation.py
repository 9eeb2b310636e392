"""Semantic segmentation: int64 targets [B, H, W], -1 where a pixel is of no class."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from farfield.datasets.dense.records import VOID
from farfield.sharing.protocol import FIXED, Protocol
from farfield.sharing.tasks.means import Mean, known
from farfield.sharing.tasks.resolution import to_target


def segmentation_loss(
    prediction: Tensor, target: Tensor, class_weights: Sequence[float] | None = None
) -> Tensor:
    """Cross-entropy of logits [B, C, h, w], mean over the labelled pixels; 0 if there is none.

    class_weights: of each class; the mean is weighted by them then.
    """
    losses, weights = pixel_losses(prediction, target, class_weights)
    total = weights.sum()
    return (losses * weights).sum() / torch.where(total > 0, total, 1)


def pixel_losses(
    prediction: Tensor, target: Tensor, class_weights: Sequence[float] | None = None
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of each pixel, and its weight, 0 at void ones: float32 [B, h, w] both."""
    losses = F.cross_entropy(prediction.float(), target, ignore_index=VOID, reduction="none")
    weights = (target != VOID).float()
    if class_weights is not None:
        of_class = torch.tensor(class_weights, dtype=torch.float32, device=prediction.device)
        weights = weights * of_class[target.clamp(min=0)]
    return losses, weights


class SegmentationMeter:
    """miou and pixel_accuracy in percent, from a confusion matrix that is summed on the device.

    IoU of class c = C_cc / (row_c + column_c - C_cc), C [truth, prediction]. Under "fixed", miou is over
    the classes that are in the truth or predicted at a labelled pixel, as torchmetrics 1.9, LibMTL and
    mtan have it; a class that is only predicted counts as 0.
    """

    def __init__(self, classes: int, protocol: Protocol = FIXED) -> None:
        self.classes, self.protocol = classes, protocol
        self.confusion = torch.zeros(classes, classes, dtype=torch.int64)
        self.accuracy = Mean("segmentation", per_image=protocol.means == "per_image")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """prediction: logits [B, C, H, W], or smaller ones, of which only the classes are enlarged."""
        given = to_target(prediction.argmax(1), target.shape[-2:])
        labelled = target != VOID
        # Void pixels fall into one more cell: no selection, whose size the device would have to tell.
        cells = torch.where(labelled, target * self.classes + given, self.classes**2)
        counts = torch.bincount(cells.flatten(), minlength=self.classes**2 + 1)[:-1]
        self.confusion = self.confusion.to(counts.device) + counts.view_as(self.confusion)
        judged = torch.ones_like(labelled) if self.protocol.void_in_pixel_accuracy else labelled
        self.accuracy.update((given == target).float(), judged)

    def compute(self) -> dict[str, float]:
        confusion = self.confusion.double()
        known(confusion.sum(), "segmentation")
        correct, truth = confusion.diagonal(), confusion.sum(1)
        union = truth + confusion.sum(0) - correct
        counted = correct > 0 if self.protocol.miou_zero_tp == "drop" else union > 0
        share = torch.where(counted, correct / union.clamp(min=1), 0)
        miou = float(share.sum() / counted.sum().clamp(min=1))
        return {"miou": 100 * miou, "pixel_accuracy": 100 * self.accuracy.value()}


class SegmentationLossMeter:
    """segmentation_loss, the cross-entropy that Taskonomy reports: weighted as in training."""

    def __init__(self, class_weights: Sequence[float] | None = None, protocol: Protocol = FIXED) -> None:
        self.class_weights = class_weights
        self.loss = Mean("segmentation", per_image=protocol.means == "per_image")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """prediction: logits [B, C, H, W], or smaller ones."""
        enlarged = to_target(prediction, target.shape[-2:])
        self.loss.update(*pixel_losses(enlarged, target, self.class_weights))

    def compute(self) -> dict[str, float]:
        return {"segmentation_loss": self.loss.value()}
