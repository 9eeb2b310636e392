"""Deeplab-ResNet: the backbone of AdaShare, a ResNet of basic blocks at an eighth of the image's size.

Chen et al., arXiv 1606.00915 (dilated stages); Sun et al., AdaShare, arXiv 1911.12423. Unlike other
ResNets it keeps the shortcut outside of the block, so that a block can be left out and its shortcut run.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from farfield.errors import InputError
from farfield.sharing.norms import ONE_TASK, Groups, TaskNorm2d

DEPTHS: dict[str, tuple[int, ...]] = {
    "resnet18": (2, 2, 2, 2),
    "resnet34": (3, 4, 6, 3),
    "small": (1, 1, 1, 1),
}
STRIDES = (1, 2, 1, 1)
DILATIONS = (1, 1, 2, 4)
INITIAL_DEVIATION = 0.01


class Stem(nn.Module):
    """Images [n, 3, H, W] to [n, C, H/4, W/4], one map a group; sizes are rounded up.

    The images are those that all groups have in common: with several groups the convolution still runs
    once, and maps of all groups come out, [G * n, C, H/4, W/4].
    """

    def __init__(self, channels: int, norm_sets: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, channels, 7, stride=2, padding=3, bias=False)
        self.norm = TaskNorm2d(channels, norm_sets)

    def forward(self, images: Tensor, groups: Groups = ONE_TASK) -> Tensor:
        x = self.convolution(images)
        if len(groups) > 1:
            x = x.repeat(len(groups), 1, 1, 1)
        x = F.relu_(self.norm(x, groups))
        return F.max_pool2d(x, 3, stride=2, padding=1, ceil_mode=True)


class ResidualFunction(nn.Module):
    """F of a basic block, relu(shortcut(x) + F(x)): conv, norm, ReLU, conv, norm."""

    def __init__(self, inputs: int, outputs: int, stride: int, dilation: int, norm_sets: int = 1) -> None:
        super().__init__()
        self.conv1 = _convolution(inputs, outputs, stride, dilation)
        self.norm1 = TaskNorm2d(outputs, norm_sets)
        self.conv2 = _convolution(outputs, outputs, 1, dilation)
        self.norm2 = TaskNorm2d(outputs, norm_sets)

    def forward(self, x: Tensor, groups: Groups = ONE_TASK) -> Tensor:
        x = F.relu_(self.norm1(self.conv1(x), groups))
        return self.norm2(self.conv2(x), groups)


class Shortcut(nn.Module):
    """1x1 convolution and norm, where a block changes the width of its input."""

    def __init__(self, inputs: int, outputs: int, stride: int, norm_sets: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
        self.norm = TaskNorm2d(outputs, norm_sets)

    def forward(self, x: Tensor, groups: Groups = ONE_TASK) -> Tensor:
        return self.norm(self.convolution(x), groups)


class Identity(nn.Identity):
    """The shortcut of all other blocks."""

    def forward(self, x: Tensor, groups: Groups = ONE_TASK) -> Tensor:
        return x


class DeeplabResNet(nn.Module):
    """Normalised images [n, 3, H, W] to features [n, 8 * width, H/8, W/8]; sizes are rounded up.

    depths: blocks of the four stages. width: channels of the first, doubled by each further one.
    norm_sets: 1, or the number of tasks, which then have a BatchNorm each.

    blocks: the L functions F. shortcuts: L, an identity or 1x1 convolution and norm.
    stages: the numbers of each stage's blocks. channels: of each stage. features: channels at the end.

    Trained from scratch: convolutions start at N(0, 0.01^2).
    """

    def __init__(self, depths: Sequence[int] = (2, 2, 2, 2), width: int = 64, norm_sets: int = 1) -> None:
        super().__init__()
        if len(depths) != len(STRIDES) or min(depths) < 1:
            raise InputError(f"depths must be four numbers of blocks above 0, found {tuple(depths)}")
        if width < 1 or norm_sets < 1:
            raise InputError(f"width and norm_sets must be at least 1, found {width} and {norm_sets}")
        self.norm_sets = norm_sets
        self.channels = tuple(width * 2**stage for stage in range(len(depths)))
        self.features = self.channels[-1]
        ends = accumulate(depths, initial=0)
        self.stages = tuple(range(first, end) for first, end in pairwise(ends))
        self.stem = Stem(width, norm_sets)
        self.blocks = nn.ModuleList()
        self.shortcuts = nn.ModuleList()
        inputs = width
        for depth, outputs, stride, dilation in zip(depths, self.channels, STRIDES, DILATIONS, strict=True):
            for block in range(depth):
                step = stride if block == 0 else 1
                changes = step > 1 or inputs != outputs
                self.blocks.append(ResidualFunction(inputs, outputs, step, dilation, norm_sets))
                self.shortcuts.append(Shortcut(inputs, outputs, step, norm_sets) if changes else Identity())
                inputs = outputs
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=INITIAL_DEVIATION)

    def run_block(self, block: int, x: Tensor, groups: Groups = ONE_TASK) -> Tensor:
        """relu(shortcut(x) + F(x)) of block number `block`."""
        return F.relu_(self.shortcuts[block](x, groups) + self.blocks[block](x, groups))

    def run_stage(self, stage: int, x: Tensor, groups: Groups = ONE_TASK) -> Tensor:
        """All blocks of stage number `stage`, from 0."""
        for block in self.stages[stage]:
            x = self.run_block(block, x, groups)
        return x

    def forward(self, images: Tensor, groups: Groups = ONE_TASK) -> Tensor:
        """The features after all blocks; with several groups, [G * n, ...] of the same n images."""
        x = self.stem(images, groups)
        for stage in range(len(self.stages)):
            x = self.run_stage(stage, x, groups)
        return x


def _convolution(inputs: int, outputs: int, stride: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=dilation, dilation=dilation, bias=False)


def build_deeplab(name: str, width: int = 64, norm_sets: int = 1) -> DeeplabResNet:
    """The backbone of a name in `DEPTHS`. InputError if there is none."""
    if name not in DEPTHS:
        raise InputError(f"backbone must be one of {', '.join(DEPTHS)}, found {name!r}")
    return DeeplabResNet(DEPTHS[name], width, norm_sets)
