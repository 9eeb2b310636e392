"""Networks that turn images into features. `build` is the one place where their names are known."""

from farfield.backbones.backbone import Backbone
from farfield.registry import Registry

# Functions of (width, image_size).
BACKBONES: Registry[Backbone] = Registry(
    "backbone",
    __name__,
    {
        "conv4": "Conv4",
        "conv4_plain": "convolutions.conv4_plain",
        "conv4_widening": "convolutions.conv4_widening",
        "conv4_dynamic": "convolutions.conv4_dynamic",
        "conv4_relation": "convolutions.conv4_relation",
        "r2d2": "r2d2.R2D2Network",
        "resnet12": "resnet12.resnet12",
        "resnet12_even": "resnet12.resnet12_even",
        "resnet12_tadam": "resnet12.resnet12_tadam",
        "resnet12_wide": "resnet12.ResNet12Wide",
        "wrn28_10": "wide_resnet.wrn28_10",
        "wrn28_10_after": "wide_resnet.wrn28_10_after",
        "resnet10": "resnet.resnet10",
        "resnet18": "resnet.resnet18",
        "resnet34": "resnet.resnet34",
        "resnet50": "bottleneck.resnet50",
        "resnet101": "bottleneck.resnet101",
        "resnet26": "resnet26",
        # Shallow forms of ResNet-50 and of ResNet-26, for small profiles; nothing is published of them.
        "resnet14": "bottleneck.resnet14",
        "resnet26b": "bottleneck.resnet26b",
        "resnet8": "resnet26.resnet8",
        "efficientnet_lite0": "efficientnet_lite.efficientnet_lite0",
        "efficientnet_lite1": "efficientnet_lite.efficientnet_lite1",
        "efficientnet_lite2": "efficientnet_lite.efficientnet_lite2",
        # No network: features in the place of images, of length `width`.
        "features": "features.Features",
        # An ONNX file; `width` is the length of its features.
        "onnx": "from_onnx.OnnxNetwork",
    },
)
# Networks of other libraries, named library/network. Functions of (network, image_size).
LIBRARIES: Registry[Backbone] = Registry(
    "library of networks",
    __name__,
    {"timm": "from_timm.TimmNetwork", "torchvision": "from_torchvision.TorchvisionNetwork"},
)


def build(name: str, *, width: int = 64, image_size: int = 224) -> Backbone:
    """The backbone called `name`; 64 is the published width of each of them. Those of a library have the width
    that they have. InputError if there is none of that name, or if its library is not installed."""
    library, of_library, network = name.partition("/")
    made: Backbone = (
        LIBRARIES.find(library)(network, image_size)
        if of_library
        else BACKBONES.find(name)(width=width, image_size=image_size)
    )
    return made
