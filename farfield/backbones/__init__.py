"""Networks that turn images into features. `build` is the one place where their names are known."""

from collections.abc import Callable
from functools import partial

from farfield.backbones.backbone import Backbone
from farfield.backbones.conv4 import Conv4
from farfield.backbones.resnet import ResNet
from farfield.errors import InputError

BACKBONES: dict[str, Callable[..., Backbone]] = {
    "conv4": Conv4,
    "resnet10": partial(ResNet, blocks=(1, 1, 1, 1)),
    "resnet18": partial(ResNet, blocks=(2, 2, 2, 2)),
    "resnet34": partial(ResNet, blocks=(3, 4, 6, 3)),
}


def build(name: str, *, width: int = 64, image_size: int = 224) -> Backbone:
    """The backbone called `name`; 64 is the published width of each of them."""
    if name not in BACKBONES:
        raise InputError(f"there is no backbone {name!r}; choose one of {', '.join(BACKBONES)}")
    if name == "conv4":
        return Conv4(width=width, image_size=image_size)
    return BACKBONES[name](width=width)
