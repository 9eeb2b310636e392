"""A backbone as a chain of layers, so that it can be cut anywhere.

A layer maps a state to a state. The state is a tuple of tensors: one map, or, between the two
convolutions of a residual block, the inner map and the shortcut's.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from farfield.backbones.backbone import Backbone
from farfield.backbones.conv4 import Conv4
from farfield.backbones.resnet import BasicBlock, ResNet
from farfield.errors import InputError

State = tuple[Tensor, ...]


class Plain(nn.Module):
    """One map to one map."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, state: State) -> State:
        return (self.body(state[0]),)


class BlockStart(nn.Module):
    """The first convolution of a residual block, and its shortcut."""

    def __init__(self, block: BasicBlock) -> None:
        super().__init__()
        self.conv, self.norm, self.shortcut = block.conv1, block.bn1, block.shortcut

    def forward(self, state: State) -> State:
        (x,) = state
        return F.relu_(self.norm(self.conv(x))), self.shortcut(x)


class BlockEnd(nn.Module):
    """The second convolution of a residual block, and the sum."""

    def __init__(self, block: BasicBlock) -> None:
        super().__init__()
        self.conv, self.norm = block.conv2, block.bn2

    def forward(self, state: State) -> State:
        inner, shortcut = state
        return (F.relu_(self.norm(self.conv(inner)).add_(shortcut)),)


@dataclass(frozen=True)
class Chain:
    """layers: in order of depth; they share the backbone's parameters.

    stage_ends: how many layers lead to the output of each stage.
    block_starts: how many layers lie before each block.
    """

    layers: Sequence[nn.Module]
    stage_ends: tuple[int, ...]
    block_starts: tuple[int, ...]

    def frozen(self, last: int | None, unit: str) -> int:
        """How many layers lie before the last `last` units. InputError if there are fewer units."""
        if last is None:
            return 0
        starts = self.block_starts if unit == "block" else range(len(self.layers))
        if last > len(starts):
            raise InputError(
                f"fine-tuning is asked to train the last {last} {unit}s, and this backbone has "
                f"{len(starts)}. Ask for fewer, or leave `last` out to train all layers."
            )
        return starts[-last]


def chain(backbone: Backbone) -> Chain:
    """The layers of a backbone of `farfield.backbones`. InputError if they cannot be taken alone."""
    if backbone.own_statistics:
        raise InputError(
            "a network whose weights expect pixels of another mean and std than ImageNet's cannot be adapted to "
            "episodes; take its features as they are (a row of fewshot.transfer)"
        )
    if isinstance(backbone, Conv4):
        count = len(backbone.blocks)
        return Chain(
            [Plain(block) for block in backbone.blocks], tuple(range(1, count + 1)), tuple(range(count))
        )
    if not isinstance(backbone, ResNet):
        raise InputError(
            f"a {type(backbone).__name__} cannot be fine-tuned; its layers must be described in "
            f"farfield/transfer/finetuning/layers.py first"
        )
    layers: list[nn.Module] = [Plain(backbone.stem)]
    ends, starts = [], []
    for stage in backbone.layers:
        for block in stage.children():
            starts.append(len(layers))
            layers += [BlockStart(block), BlockEnd(block)]  # type: ignore[arg-type]
        ends.append(len(layers))
    return Chain(layers, tuple(ends), tuple(starts))


@contextmanager
def evaluation(layers: Sequence[nn.Module]) -> Iterator[None]:
    """Layers in evaluation mode; afterwards each module is in the mode that it was in."""
    modes = [(module, module.training) for layer in layers for module in layer.modules()]
    for module, _ in modes:
        module.training = False
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
