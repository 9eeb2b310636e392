"""Networks that turn images into features. `build` is the one place where their names are known."""

from collections.abc import Callable
from functools import partial

from farfield.backbones.backbone import Backbone
from farfield.backbones.bottleneck import BottleneckResNet
from farfield.backbones.conv4 import Conv4
from farfield.backbones.efficientnet_lite import EfficientNetLite
from farfield.backbones.resnet import ResNet
from farfield.backbones.resnet26 import ResNet26
from farfield.errors import InputError

BACKBONES: dict[str, Callable[..., Backbone]] = {
    "conv4": Conv4,
    "resnet10": partial(ResNet, blocks=(1, 1, 1, 1)),
    "resnet18": partial(ResNet, blocks=(2, 2, 2, 2)),
    "resnet34": partial(ResNet, blocks=(3, 4, 6, 3)),
    "resnet50": partial(BottleneckResNet, blocks=(3, 4, 6, 3)),
    "resnet101": partial(BottleneckResNet, blocks=(3, 4, 23, 3)),
    "resnet26": ResNet26,
    # Shallow forms of ResNet-50 and of ResNet-26, for small profiles; nothing is published of them.
    "resnet14": partial(BottleneckResNet, blocks=(1, 1, 1, 1)),
    "resnet26b": partial(BottleneckResNet, blocks=(2, 2, 2, 2)),
    "resnet8": partial(ResNet26, blocks=1),
    "efficientnet_lite0": partial(EfficientNetLite, 1.0, 1.0),
    "efficientnet_lite1": partial(EfficientNetLite, 1.0, 1.1),
    "efficientnet_lite2": partial(EfficientNetLite, 1.1, 1.2),
}


def build(name: str, *, width: int = 64, image_size: int = 224) -> Backbone:
    """The backbone called `name`; 64 is the published width of each of them."""
    if name not in BACKBONES:
        raise InputError(f"there is no backbone {name!r}; choose one of {', '.join(BACKBONES)}")
    if name == "conv4":
        return Conv4(width=width, image_size=image_size)
    return BACKBONES[name](width=width)
