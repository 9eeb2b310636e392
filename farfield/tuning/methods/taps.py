"""TAPS: which layers change is learnt for the task (Wallingford et al., arXiv 2203.16708)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from farfield.backbones.backbone import Backbone
from farfield.networks.convolutions import StandIn, replace_convolutions
from farfield.settings import AtLeastZero, NotNegative, keyword_settings
from farfield.training.loop import cross_entropy
from farfield.tuning.adapted import Adapted, classifier

THRESHOLD = 0.1  # scores from here on let a layer change
INITIAL_SCORE = 0.15


@keyword_settings
class TAPS:
    """Weights of a convolution = w + 1[s >= 0.1] delta, with w frozen, delta from 0 and s from 0.15.

    From epoch `warmup` on the loss has the term penalty * mean |s| over the layers, so that layers whose
    change does not pay return to w and cost the task nothing. BatchNorm and the head are trained. The
    penalty is that of the released command for CUBS. Scores have no weight decay, which would be a
    second penalty.
    """

    seed: int
    penalty: AtLeastZero = 0.1
    warmup: NotNegative = 2

    def __call__(self, backbone: Backbone, classes: int) -> Adapted:
        network = classifier(replace_convolutions(backbone, GatedConvolution), classes, self.seed)
        scores = [part.score for part in network.modules() if isinstance(part, GatedConvolution)]
        known = {id(score) for score in scores}
        others = [p for p in network.parameters() if p.requires_grad and id(p) not in known]
        groups: list[dict[str, Any]] = [{"params": others}, {"params": scores, "weight_decay": 0.0}]
        sparsity = _Sparsity(scores, self.penalty, self.warmup)
        return Adapted(network, groups, sparsity.loss, sparsity.before_epoch, sparsity.figures)


class GatedConvolution(StandIn):
    """w + 1[score >= threshold] delta; backward takes the indicator for the score itself."""

    def __init__(self, plain: nn.Conv2d) -> None:
        super().__init__(plain)
        self.weight.requires_grad_(False)
        self.delta = nn.Parameter(torch.zeros_like(plain.weight))
        self.score = nn.Parameter(plain.weight.new_tensor(INITIAL_SCORE))

    @property
    def parameter_bits(self) -> dict[str, int]:
        """What a task keeps: a bit for the gate, and the change only where the gate is open."""
        return {"score": 1, "delta": 32 if self.score.item() >= THRESHOLD else 0}

    def forward(self, x: Tensor) -> Tensor:
        # The bracket is exactly zero; it carries the gradient.
        gate = (self.score >= THRESHOLD).to(self.score.dtype) + (self.score - self.score.detach())
        return self._conv_forward(x, self.weight + gate * self.delta, self.bias)


class _Sparsity:
    """The term penalty * mean |s|, which comes in after the warm-up."""

    def __init__(self, scores: Sequence[Tensor], penalty: float, warmup: int) -> None:
        self.scores = scores
        self.penalty = penalty
        self.warmup = warmup
        self.strength = 0.0

    def before_epoch(self, epoch: int, optimizer: torch.optim.Optimizer) -> None:
        del optimizer
        self.strength = self.penalty if epoch >= self.warmup else 0.0

    def loss(
        self, network: nn.Module, images: Tensor, targets: Tensor, label_smoothing: float
    ) -> tuple[Tensor, Tensor]:
        value, logits = cross_entropy(network, images, targets, label_smoothing)
        return value + self.strength * torch.stack([*self.scores]).abs().mean(), logits

    def figures(self) -> dict[str, float]:
        """How many layers change."""
        return {"changed_layers": float(sum(score.item() >= THRESHOLD for score in self.scores))}
