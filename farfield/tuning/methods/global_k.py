"""Global-k: SpotTune with one policy for all images, that tunes k blocks (arXiv 1811.08737, section 3.3)."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from farfield.backbones.backbone import Backbone
from farfield.errors import InputError
from farfield.settings import AtLeastZero, NotNegative, keyword_settings
from farfield.training.loop import LabelledImages, cross_entropy
from farfield.tuning.adapted import Adapted
from farfield.tuning.policies import evaluate_routed
from farfield.tuning.routed_tuning import RoutedTuning
from farfield.tuning.routing import Routed


@keyword_settings
class GlobalK(RoutedTuning):
    """Of v [L], the share of a batch's images that each block is tuned for, the loss gets
    lambda1 (sum v - k)^2 + lambda2 (sum of -v log v): k blocks for each image, the same for all.

    After training the k blocks that the policy tunes for most training images stay tuned, the others are
    the pretrained ones, and the policy is dropped. Strengths, their rise and how blocks are fixed are not
    published.

    ramp: shares of the training over which both terms rise from nothing to their strength; from the
    start they would decide before the tuned branches have learnt. epochs: of the training.
    """

    k: NotNegative = 3
    lambda1: AtLeastZero = 0.1
    lambda2: AtLeastZero = 0.1
    ramp: tuple[float, float] = (0.1, 0.5)
    epochs: int

    def __post_init__(self) -> None:
        if not 0 <= self.ramp[0] <= self.ramp[1]:
            raise InputError(f"ramp must be two rising shares of the training, found {self.ramp}")

    def __call__(self, backbone: Backbone, classes: int) -> Adapted:
        adapted = super().__call__(backbone, classes)
        assert isinstance(adapted.network, Routed)
        if self.k > len(adapted.network.names):
            raise InputError(
                f"k is {self.k}, but only {len(adapted.network.names)} blocks are routed; lower k"
            )
        training = _Training(adapted.network, self)
        return replace(
            adapted,
            loss=training.loss,
            before_epoch=training.before_epoch,
            figures=training.figures,
            finish=training.finish,
        )

    def rise(self, epoch: int) -> float:
        """The share of their strength that both terms have in an epoch from 0."""
        start, end = (share * self.epochs for share in self.ramp)
        if epoch >= end:
            return 1.0
        return max(0.0, epoch - start) / (end - start)


def budget(usage: Tensor, k: int) -> Tensor:
    """(sum v - k)^2 of the shares v [L]."""
    return (usage.sum() - k) ** 2


def indecision(usage: Tensor) -> Tensor:
    """Sum of -v log v over the shares v [L]; its gradient stays finite at zero."""
    return -(usage * usage.clamp(min=1e-6).log()).sum()


class _Training:
    """What the loop calls back; it knows how far the terms have risen."""

    def __init__(self, network: Routed, settings: GlobalK) -> None:
        self.network = network
        self.settings = settings
        self.risen = 0.0

    def before_epoch(self, epoch: int, optimizer: torch.optim.Optimizer) -> None:
        del optimizer
        self.risen = self.settings.rise(epoch)

    def loss(
        self, network: nn.Module, images: Tensor, targets: Tensor, label_smoothing: float
    ) -> tuple[Tensor, Tensor]:
        value, logits = cross_entropy(network, images, targets, label_smoothing)
        assert self.network.actions is not None
        usage = self.network.actions.mean(0)
        terms = self.settings.lambda1 * budget(usage, self.settings.k)
        terms = terms + self.settings.lambda2 * indecision(usage)
        return value + self.risen * terms, logits

    def figures(self) -> dict[str, float]:
        """Those of SpotTune; how far the running usage is from k blocks, and from one policy for all."""
        assert self.network.record is not None
        usage = self.network.record.usage.cpu()
        return {
            **self.network.figures(),
            "budget_gap": round(float((usage.sum() - self.settings.k).abs()), 6),
            "undecided": round(float(torch.minimum(usage, 1 - usage).max()), 6),
        }

    def finish(self, data: LabelledImages, image_size: int) -> None:
        """Fix the k blocks with the highest probability of being tuned, over the training images: what
        their share of a batch is expected to be."""
        device = next(self.network.parameters()).device
        routes = evaluate_routed(self.network, data, image_size=image_size, device=device)
        most_used = routes.probabilities.double().mean(0).argsort(descending=True, stable=True)
        kept = set(most_used[: self.settings.k].tolist())
        self.network.fix([block in kept for block in range(len(self.network.names))])
