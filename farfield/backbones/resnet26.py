"""ResNet-26 of the Visual Decathlon (Rebuffi et al., arXiv 1705.08045 and 1803.10082), for 64 px images.

At width 64: 5,814,688 parameters without a head, of which the three segments have 277,504, 1,107,968
and 4,427,776. Narrower copies keep the shape and divide every width.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from farfield.backbones.backbone import Backbone, maps_after
from farfield.backbones.resnet import BasicBlock


class PooledShortcut(nn.Module):
    """Half the resolution by average pooling, `extra` further channels of zeros; no parameters."""

    def __init__(self, extra: int) -> None:
        super().__init__()
        self.extra = extra

    def forward(self, x: Tensor) -> Tensor:
        # Rounding up, as the strided convolution beside it does, for maps of odd size.
        return F.pad(F.avg_pool2d(x, 2, ceil_mode=True), (0, 0, 0, 0, 0, self.extra))


class PooledBasicBlock(BasicBlock):
    """The basic block whose shortcut, where it is strided, is a `PooledShortcut`."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__(inputs, outputs, stride)
        if stride != 1:
            self.shortcut = PooledShortcut(outputs - inputs)


class ResNet26(Backbone):
    """3x3 stem of half the width and no ReLU, three segments of `blocks` basic blocks that each begin
    with stride 2, BatchNorm, ReLU, global average pool.

    The map of the last stage is taken after the final BatchNorm and ReLU: the features are its mean.
    """

    def __init__(self, blocks: int = 4, width: int = 64) -> None:
        super().__init__()
        inputs = max(1, width // 2)
        self.stem = nn.Sequential(nn.Conv2d(3, inputs, 3, padding=1, bias=False), nn.BatchNorm2d(inputs))
        self.stage_dims = tuple(width * 2**i for i in range(3))
        self.feature_dim = self.stage_dims[-1]
        self.layers = nn.ModuleList()
        for outputs in self.stage_dims:
            following = (PooledBasicBlock(outputs, outputs, stride=1) for _ in range(blocks - 1))
            self.layers.append(nn.Sequential(PooledBasicBlock(inputs, outputs, stride=2), *following))
            inputs = outputs
        self.norm = nn.BatchNorm2d(self.feature_dim)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def stages(self, images: Tensor) -> list[Tensor]:
        *maps, last = maps_after(self.layers, self.stem(images))
        return [*maps, F.relu(self.norm(last))]

    def pool(self, last: Tensor) -> Tensor:
        return last.mean((2, 3))


def resnet26(width: int, image_size: int) -> ResNet26:
    return ResNet26(4, width)


def resnet8(width: int, image_size: int) -> ResNet26:
    return ResNet26(1, width)
