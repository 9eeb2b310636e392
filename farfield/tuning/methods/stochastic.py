"""Stochastic fine-tuning: a random share of the residual blocks (SpotTune, arXiv 1811.08737, Table 2)."""

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from farfield.backbones.backbone import Backbone
from farfield.seeds import stream
from farfield.settings import keyword_settings
from farfield.training.loop import cross_entropy
from farfield.tuning.adapted import Adapted, classifier, freeze, trained
from farfield.tuning.residual import residual_blocks

Resample = Literal["run", "epoch", "step"]


@keyword_settings
class StochasticBlocks:
    """A random `share` of the blocks and the head are trained; other blocks, stem and final norm rest.

    resample: whether the blocks are drawn once, for each epoch or for each step; the paper does not
    say. Blocks at rest are as frozen as a part can be: weights, BatchNorm and their momentum stand
    still, and they go on from there when they are drawn again. Drawing anew needs a training in one
    process, since DistributedDataParallel expects the same parameters in every step.
    """

    seed: int
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    resample: Resample = "run"

    def drawn(self, blocks: int, *key: int) -> set[int]:
        """The blocks to train, of `blocks`: by seed, and the epoch and step in `key` where it has them."""
        count = max(1, round(self.share * blocks))
        return set(stream(self.seed, "blocks", *key).permutation(blocks)[:count].tolist())

    def __call__(self, backbone: Backbone, classes: int) -> Adapted:
        blocks = list(residual_blocks(backbone).values())
        if self.resample == "run":
            freeze(backbone, spare=[blocks[i] for i in self.drawn(len(blocks))])
            network = classifier(backbone, classes, self.seed)
            return Adapted(network, trained([network]))
        freeze(backbone, spare=blocks)
        network = classifier(backbone, classes, self.seed)
        # A group for each block: fused SGD starts the momentum of all parameters of a group at once.
        groups = [group for part in (*blocks, network.head) for group in trained([part])]
        shifts = _Shifts(blocks, self.drawn, each_step=self.resample == "step")
        return Adapted(network, groups, shifts.loss, shifts.before_epoch)


class _Shifts:
    """Blocks that take turns. They are switched before the forward pass, since `fit` puts the whole
    network in training mode at the start of an epoch."""

    def __init__(self, blocks: Sequence[nn.Module], drawn: Callable[..., set[int]], each_step: bool) -> None:
        self.blocks = blocks
        self.drawn = drawn
        self.each_step = each_step
        self.epoch = self.step = 0

    def before_epoch(self, epoch: int, optimizer: torch.optim.Optimizer) -> None:
        del optimizer
        self.epoch, self.step = epoch, 0

    def loss(
        self, network: nn.Module, images: Tensor, targets: Tensor, label_smoothing: float
    ) -> tuple[Tensor, Tensor]:
        if self.each_step or self.step == 0:
            key = (self.epoch, self.step) if self.each_step else (self.epoch,)
            chosen = self.drawn(len(self.blocks), *key)
            for i, block in enumerate(self.blocks):
                # Without a gradient the optimizer passes a parameter over: no decay and no momentum.
                block.requires_grad_(i in chosen).train(i in chosen)
        self.step += 1
        return cross_entropy(network, images, targets, label_smoothing)
