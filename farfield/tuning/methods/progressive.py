"""Progressive neural networks (Rusu et al., arXiv 1606.04671) on residual networks."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

from farfield.backbones.backbone import Backbone
from farfield.seeds import integer_seed
from farfield.settings import Positive, keyword_settings
from farfield.tuning.adapted import Adapted, freeze, trained
from farfield.tuning.reinitialise import reinitialise
from farfield.tuning.residual import residual_blocks

Column = Literal["pretrained", "fresh"]


@keyword_settings
class ProgressiveNet:
    """A frozen source column, and a column for the task that sees the source's maps through adapters.

    Neither the paper nor SpotTune says how residual networks are joined; see `TwoColumns` for ours.

    column: where the task's column starts. The paper's is "fresh", which a few thousand images cannot
    train to the accuracy that SpotTune reports. reduction: an adapter has 1/reduction of the channels
    between its convolutions.
    """

    seed: int
    column: Column = "pretrained"
    reduction: Positive = 4

    def __call__(self, backbone: Backbone, classes: int) -> Adapted:
        column = copy.deepcopy(backbone)
        if self.column == "fresh":
            reinitialise(column, self.seed)
        torch.manual_seed(integer_seed(self.seed, "progressive"))  # the adapters and the head
        network = TwoColumns(backbone, column, classes, self.reduction)
        return Adapted(network, trained([network]))


class TwoColumns(nn.Module):
    """Block i of the task's column: h_i = F_i(h_{i-1} + U_i ReLU(V_i s_{i-1})), where s is the source's map.

    That is equation 2 of the paper with a residual block in the place of a layer: the adapter feeds
    what the block before found in the source column. V reduces the channels and U restores them, both
    1x1 convolutions; the paper's learnt scale of s is part of V here. U starts at zero, so that a
    pretrained column starts as the pretrained network. The head reads the features of both columns.
    """

    def __init__(self, source: Backbone, backbone: Backbone, classes: int, reduction: int) -> None:
        super().__init__()
        freeze(source)
        self.source = source
        self.backbone = backbone
        blocks = residual_blocks(source).values()
        self.laterals = nn.ModuleList(_lateral(_inputs(block), reduction) for block in blocks)
        self.head = nn.Linear(source.feature_dim + backbone.feature_dim, classes)
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Tensor) -> Tensor:
        maps: dict[int, Tensor] = {}
        with _before_blocks(self.source, maps.__setitem__):
            known = self.source(images)
        with _before_blocks(self.backbone, lambda i, x: x + self.laterals[i](maps.pop(i))):
            features = self.backbone(images)
        return self.head(torch.cat([features, known], dim=1))


def _inputs(block: nn.Module) -> int:
    """The channels of the map that goes into a residual block."""
    return next(part.in_channels for part in block.modules() if isinstance(part, nn.Conv2d))


def _lateral(width: int, reduction: int) -> nn.Module:
    inner = max(1, width // reduction)
    restore = nn.Conv2d(inner, width, 1, bias=False)
    nn.init.zeros_(restore.weight)
    return nn.Sequential(nn.Conv2d(width, inner, 1, bias=False), nn.ReLU(inplace=True), restore)


@contextmanager
def _before_blocks(network: nn.Module, visit: Callable[[int, Tensor], Tensor | None]) -> Iterator[None]:
    """Within it, block i runs on visit(i, x) in the place of its input x, or on x if that is None."""

    def hook(i: int) -> Callable[[nn.Module, tuple[Tensor]], Tensor | None]:
        return lambda block, inputs: visit(i, inputs[0])

    blocks = residual_blocks(network).values()
    handles = [block.register_forward_pre_hook(hook(i)) for i, block in enumerate(blocks)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
