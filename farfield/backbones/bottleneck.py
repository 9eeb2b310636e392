"""ResNet-50 and ResNet-101 as torchvision has them (He et al., arXiv 1512.03385).

At width 64 and without the classifier: ResNet-50 has 23,508,032 parameters, ResNet-101 42,500,160.
Modules are named as in torchvision, so that its weights fit. Narrower copies divide every width.
"""

from torch import Tensor, nn

from farfield.backbones.backbone import Backbone, maps_after

EXPANSION = 4  # outputs of a block over the width of its 3x3 convolution


class Bottleneck(nn.Module):
    """conv1x1-BN-ReLU-conv3x3-BN-ReLU-conv1x1-BN plus a shortcut, then ReLU.

    The 3x3 convolution has the stride, as in torchvision; in the paper it is the first 1x1 convolution.
    The shortcut, `downsample`, is a 1x1 convolution with BatchNorm where the shape changes, else the
    identity.
    """

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = EXPANSION * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        return self.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class BottleneckResNet(Backbone):
    """7x7 stem of stride 2, max-pool, four stages of bottlenecks, global average pool."""

    def __init__(self, blocks: tuple[int, int, int, int], width: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.stage_dims = tuple(EXPANSION * width * 2**i for i in range(4))
        self.feature_dim = self.stage_dims[-1]
        inputs = (width, *self.stage_dims)
        self.layer1 = _stage(inputs[0], width, blocks[0], stride=1)
        self.layer2 = _stage(inputs[1], 2 * width, blocks[1], stride=2)
        self.layer3 = _stage(inputs[2], 4 * width, blocks[2], stride=2)
        self.layer4 = _stage(inputs[3], 8 * width, blocks[3], stride=2)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def stages(self, images: Tensor) -> list[Tensor]:
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        return maps_after((self.layer1, self.layer2, self.layer3, self.layer4), x)

    def pool(self, last: Tensor) -> Tensor:
        return last.mean((2, 3))


def resnet50(width: int, image_size: int) -> BottleneckResNet:
    return BottleneckResNet((3, 4, 6, 3), width)


def resnet101(width: int, image_size: int) -> BottleneckResNet:
    return BottleneckResNet((3, 4, 23, 3), width)


def resnet14(width: int, image_size: int) -> BottleneckResNet:
    return BottleneckResNet((1, 1, 1, 1), width)


def resnet26b(width: int, image_size: int) -> BottleneckResNet:
    return BottleneckResNet((2, 2, 2, 2), width)


def _stage(inputs: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    """`blocks` bottlenecks, of which the first has the stride."""
    following = (Bottleneck(EXPANSION * width, width, stride=1) for _ in range(blocks - 1))
    return nn.Sequential(Bottleneck(inputs, width, stride), *following)
