"""EfficientNet-Lite: EfficientNet without squeeze-and-excitation, with ReLU6 and a stem and head of fixed width.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (ICML 2019); the Lite
form is that of its authors' repository (tensorflow/tpu, efficientnet/lite). Convolutions with a stride pad as
TensorFlow does: what the padding lacks to be even goes to the right and the bottom.
"""

import math
from collections.abc import Iterable

from torch import Tensor, nn
from torch.nn import functional as F

from farfield.backbones.backbone import Backbone, maps_after

# Of Lite0, group by group: blocks, kernel, stride, expansion, channels.
_GROUPS = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STAGES = ((0,), (1,), (2,), (3, 4), (5, 6))  # groups between one stride and the next
STEM, FEATURES = 32, 1280


class SameConv(nn.Conv2d):
    """A convolution without bias whose output has ceil(size / stride) positions, whatever the size."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        sides: list[int] = []
        for size in (input.shape[3], input.shape[2]):
            lacking = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
            sides += [lacking // 2, lacking - lacking // 2]
        return super().forward(F.pad(input, sides) if any(sides) else input)


def _normalised(conv: nn.Conv2d, active: bool = True) -> nn.Sequential:
    layers = [conv, nn.BatchNorm2d(conv.out_channels, eps=1e-3, momentum=0.01)]
    return nn.Sequential(*layers, *([nn.ReLU6()] if active else []))


class Block(nn.Module):
    """An inverted bottleneck: widen, filter each channel by itself, narrow; with a shortcut where it fits."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expand = _normalised(SameConv(inputs, wide, 1)) if expansion > 1 else nn.Identity()
        self.depthwise = _normalised(SameConv(wide, wide, kernel, stride, groups=wide))
        self.project = _normalised(SameConv(wide, outputs, 1), active=False)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.shortcut else y


class EfficientNetLite(Backbone):
    """Lite0 to Lite4 by their two factors; `width` multiplies the channels of all groups by width / 64.

    width_factor, depth_factor: (1.0, 1.0) is Lite0, (1.0, 1.1) Lite1, (1.1, 1.2) Lite2. Stages end before each
    stride; features are 1280, after the convolution of the head.
    """

    def __init__(self, width_factor: float, depth_factor: float, width: int = 64) -> None:
        super().__init__()
        factor = width_factor * width / 64
        self.stem = _normalised(SameConv(3, STEM, 3, 2))
        groups, inputs = [], STEM
        for number, (blocks, kernel, stride, expansion, channels) in enumerate(_GROUPS):
            outputs = rounded(channels * factor)
            if 0 < number < len(_GROUPS) - 1:  # the first and the last group are never deepened
                blocks = math.ceil(blocks * depth_factor)
            made = [Block(inputs, outputs, kernel, stride, expansion)]
            made += [Block(outputs, outputs, kernel, 1, expansion) for _ in range(blocks - 1)]
            groups.append(made)
            inputs = outputs
        stages = [[block for number in stage for block in groups[number]] for stage in _STAGES]
        self.layers = nn.ModuleList(nn.Sequential(*stage) for stage in stages)
        self.head = _normalised(SameConv(inputs, FEATURES, 1))
        self.feature_dim = FEATURES
        self.stage_dims = tuple(rounded(_GROUPS[stage[-1]][-1] * factor) for stage in _STAGES)

    def stages(self, images: Tensor) -> list[Tensor]:
        return maps_after(self.layers, self.stem(images))

    def pool(self, last: Tensor) -> Tensor:
        features: Tensor = self.head(last)
        return features.mean((2, 3))

    def blocks(self) -> Iterable[Block]:
        """All blocks, from the first to the last."""
        for stage in self.layers:
            for block in stage.children():
                assert isinstance(block, Block)
                yield block


def rounded(channels: float) -> int:
    """The multiple of 8 that is nearest, at least 8, and never more than a tenth below."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near + 8 if near < 0.9 * channels else near


def efficientnet_lite0(width: int, image_size: int) -> EfficientNetLite:
    return EfficientNetLite(1.0, 1.0, width)


def efficientnet_lite1(width: int, image_size: int) -> EfficientNetLite:
    return EfficientNetLite(1.0, 1.1, width)


def efficientnet_lite2(width: int, image_size: int) -> EfficientNetLite:
    return EfficientNetLite(1.1, 1.2, width)
