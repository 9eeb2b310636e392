"""PiggyBack: a task is a binary mask on the source's weights (Mallya et al., arXiv 1801.06519)."""

import math

import torch
from torch import Tensor, nn

from farfield.backbones.backbone import Backbone
from farfield.errors import InputError
from farfield.networks.convolutions import StandIn, replace_convolutions
from farfield.settings import keyword_settings
from farfield.tuning.adapted import Adapted, FrozenNorm, classifier, freeze, trained


class MaskedConv2d(StandIn):
    """A convolution with the weight W * mask, W as pretrained.

    scores: real, of W's shape. mask: 1 where a score is above `threshold`, else 0; if `ternary`, -1
    where it is below -threshold. The gradient with respect to the mask goes to the scores unchanged.
    """

    def __init__(self, plain: nn.Conv2d, initial: float, threshold: float, ternary: bool) -> None:
        super().__init__(plain)
        self.threshold, self.ternary = threshold, ternary
        self.scores = nn.Parameter(torch.full_like(plain.weight, initial))
        # What is kept of a task: the mask (see farfield.tuning.accounting).
        self.parameter_bits = {"scores": 2 if ternary else 1}

    def mask(self) -> Tensor:
        scores = self.scores.detach()
        mask = (scores > self.threshold).to(scores)
        return mask - (scores < -self.threshold).to(scores) if self.ternary else mask

    def forward(self, input: Tensor) -> Tensor:
        # The difference is exactly zero; it only carries the gradient.
        mask = self.mask() + (self.scores - self.scores.detach())
        return self._conv_forward(input, self.weight * mask, self.bias)


@keyword_settings
class PiggyBack:
    """One bit a weight and a head belong to the task. All masks start at one, the source network.

    norm: what BatchNorm does, "eval" as published. The recipe of the paper is Adam at 1e-4 without
    weight decay, which would pull scores towards the threshold.
    """

    seed: int
    initial: float = 1e-2
    threshold: float = 5e-3
    ternary: bool = False
    norm: FrozenNorm = "eval"

    def __post_init__(self) -> None:
        if not 0 <= self.threshold < self.initial < math.inf:
            raise InputError(
                f"PiggyBack needs 0 <= threshold < initial, so that all weights are there at first; found "
                f"a threshold of {self.threshold} and {self.initial}"
            )

    def __call__(self, backbone: Backbone, classes: int) -> Adapted:
        freeze(backbone, self.norm)
        replace_convolutions(
            backbone, lambda conv: MaskedConv2d(conv, self.initial, self.threshold, self.ternary)
        )
        network = classifier(backbone, classes, self.seed)
        return Adapted(network, trained([network]))
