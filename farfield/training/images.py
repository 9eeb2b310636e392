"""From packed uint8 images to what a backbone eats (BSCD-FSL transforms, on whole batches)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from farfield.backbones.backbone import Backbone

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def normalise(images: Tensor) -> Tensor:
    """Float images [n, 3, H, W] in 0..255 to ImageNet-normalised ones, channels last in memory."""
    scale = 1 / (255 * torch.tensor(STD, device=images.device).view(1, 3, 1, 1))
    offset = -255 * torch.tensor(MEAN, device=images.device).view(1, 3, 1, 1) * scale
    return torch.addcmul(offset, images, scale).contiguous(memory_format=torch.channels_last)


def evaluation_view(images: Tensor, size: int) -> Tensor:
    """The published test transform after packing: centre crop, normalise.

    images: uint8 [n, H, W, 3], already squeezed to 1.15 x size. Returns float [n, 3, size, size].
    The crop is where torchvision's CenterCrop puts it. Images that are packed smaller than `size` show the same
    share of themselves, enlarged (bilinear).
    """
    height, width = images.shape[1:3]
    if min(height, width) < size:
        shown = evaluation_view(images, round(min(height, width) / 1.15))
        return F.interpolate(shown, size=(size, size), mode="bilinear")
    top, left = round((height - size) / 2), round((width - size) / 2)
    crop = images[:, top : top + size, left : left + size]
    return normalise(crop.permute(0, 3, 1, 2).float())


class Renormalise:
    """A function of images [n, 3, h, w] normalised as here: it takes ImageNet's mean and standard
    deviation back and puts those of pixels in 0..1 in their place, channel by channel."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        ours, theirs = (torch.tensor(values).view(3, 1, 1) for values in (STD, std))
        self.scale = ours / theirs
        self.offset = (torch.tensor(MEAN) - torch.tensor(mean).float()).view(3, 1, 1) / theirs

    def __call__(self, images: Tensor) -> Tensor:
        return torch.addcmul(self.offset.to(images), images, self.scale.to(images))


def expect(backbone: "Backbone", mean: Sequence[float], std: Sequence[float]) -> None:
    """Let `backbone` see images normalised with these statistics of pixels in 0..1, which its weights were
    trained with. It is given images normalised as all others are, and its first layer turns them."""
    turn = Renormalise(mean, std)
    backbone.first_layer().register_forward_pre_hook(lambda _, images: (turn(images[0]),))
    backbone.own_statistics = True
