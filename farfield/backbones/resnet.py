"""ResNet-10, 18 and 34 as BSCD-FSL uses them (arXiv 1912.07200; He et al., arXiv 1512.03385).

At width 64 the layers and parameter counts are the published ones: ResNet-10 has one basic block a
stage and 4,905,792 parameters, ResNet-18 11,176,512, ResNet-34 21,284,672 (without a head). Narrower
copies keep the shape and divide every width.
"""

import math

from torch import Tensor, nn

from farfield.backbones.backbone import Backbone, maps_after


class BasicBlock(nn.Module):
    """conv3x3-BN-ReLU-conv3x3-BN plus a shortcut, then ReLU. The shortcut is a 1x1 convolution with
    BatchNorm where the width changes, else the identity."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet(Backbone):
    """7x7 stem of stride 2, max-pool, four stages of basic blocks, global average pool."""

    def __init__(self, blocks: tuple[int, int, int, int], width: int = 64) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        self.stage_dims = tuple(width * 2**i for i in range(4))
        self.feature_dim = self.stage_dims[-1]
        self.layers = nn.ModuleList()
        inputs = width
        for i, (count, outputs) in enumerate(zip(blocks, self.stage_dims, strict=True)):
            stage = nn.Sequential()
            for j in range(count):
                stage.append(BasicBlock(inputs, outputs, stride=2 if i > 0 and j == 0 else 1))
                inputs = outputs
            self.layers.append(stage)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                # The published initialisation counts outputs: N(0, 2 / (k k out)).
                fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
                nn.init.normal_(module.weight, 0, math.sqrt(2 / fan_out))

    def stages(self, images: Tensor) -> list[Tensor]:
        return maps_after(self.layers, self.stem(images))

    def pool(self, last: Tensor) -> Tensor:
        return last.mean((2, 3))


def resnet10(width: int, image_size: int) -> ResNet:
    return ResNet((1, 1, 1, 1), width)


def resnet18(width: int, image_size: int) -> ResNet:
    return ResNet((2, 2, 2, 2), width)


def resnet34(width: int, image_size: int) -> ResNet:
    return ResNet((3, 4, 6, 3), width)
