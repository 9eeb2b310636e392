"""Auto-RGN: tensors with large gradients for their size learn faster (Lee et al., arXiv 2210.11466)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from farfield.backbones.backbone import Backbone
from farfield.settings import Positive, keyword_settings
from farfield.tuning.adapted import Adapted, classifier, trained


@keyword_settings
class AutoRGN:
    """Learning rate of each pretrained tensor = base * RGN / max RGN, where RGN = ||gradient|| / ||tensor||.

    RGN is a mean over the first `batches` batches of an epoch and is measured anew in every epoch. The
    reference measures on batches that it does not train on; here the steps measure as they train, the
    mean of the batches so far giving the rates of each, so nothing is computed twice and an epoch needs
    nothing from the one before. As in the reference, scale and shift of BatchNorm are not trained. The
    head, which is new, has the base rate and takes no part in the maximum.
    """

    seed: int
    batches: Positive = 5

    def __call__(self, backbone: Backbone, classes: int) -> Adapted:
        for part in backbone.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.requires_grad_(False)
        network = classifier(backbone, classes, self.seed)
        tensors = [p for p in backbone.parameters() if p.requires_grad]
        groups = [*({"params": [tensor]} for tensor in tensors), *trained([network.head])]
        return Adapted(network, groups, before_epoch=_Rates(tensors, self.batches).before_epoch)


class _Rates:
    """Rates in [0, 1] for the groups of `tensors`, which are the first of the optimizer, in this order.

    They are applied between backward and step, where this step's gradients are known. `fit` sets the
    learning rates afresh before each step, so they are multiplied once.
    """

    def __init__(self, tensors: Sequence[nn.Parameter], batches: int) -> None:
        self.tensors = tensors
        self.batches = batches
        self.hook: Any = None

    def before_epoch(self, epoch: int, optimizer: torch.optim.Optimizer) -> None:
        del epoch
        self.measured: list[Tensor] = []
        self.rates: list[float] = []
        if self.hook is not None:
            self.hook.remove()
        self.hook = optimizer.register_step_pre_hook(self.apply)

    def apply(self, optimizer: torch.optim.Optimizer, *step_arguments: Any) -> None:
        del step_arguments
        if len(self.measured) < self.batches:
            self.measured.append(relative_gradient_norms(self.tensors))
            mean = torch.stack(self.measured).mean(0)
            self.rates = (mean / mean.max().clamp_min(torch.finfo(mean.dtype).tiny)).tolist()
        for group, rate in zip(optimizer.param_groups, self.rates, strict=False):
            group["lr"] *= rate


def relative_gradient_norms(tensors: Sequence[nn.Parameter]) -> Tensor:
    """[n]: ||gradient|| / ||tensor|| of each; 0 for a tensor of zeros, which has no size to compare with."""
    norms = torch.stack(torch._foreach_norm([tensor.detach() for tensor in tensors]))
    gradients = [torch.zeros_like(t) if t.grad is None else t.grad for t in tensors]
    return torch.where(norms > 0, torch.stack(torch._foreach_norm(gradients)) / norms, 0.0)
