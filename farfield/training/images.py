"""From packed images to what a backbone eats (BSCD-FSL transforms, on whole batches).

Images of three channels are normalised with ImageNet's statistics. Those of any other number of channels, each of
which was packed in its own range, are normalised alike in all: with the means of these statistics.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from farfield.backbones.backbone import Backbone

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def pixels(images: Tensor) -> Tensor:
    """Packed images [n, H, W, c] as float [n, c, H, W] in 0..255: uint8, or uint16 in steps of 1 / 257."""
    values = images.permute(0, 3, 1, 2).float()
    return values / 257 if images.dtype == torch.uint16 else values


def normalise(images: Tensor) -> Tensor:
    """Float images [n, c, H, W] in 0..255 to normalised ones, channels last in memory."""
    mean, std = (_for_each(values, images.shape[1]) for values in (MEAN, STD))
    scale = 1 / (255 * torch.tensor(std, device=images.device).view(1, -1, 1, 1))
    offset = -255 * torch.tensor(mean, device=images.device).view(1, -1, 1, 1) * scale
    return torch.addcmul(offset, images, scale).contiguous(memory_format=torch.channels_last)


def _for_each(values: Sequence[float], channels: int) -> Sequence[float]:
    """The statistics of three channels, or their mean for each of another number."""
    return values if channels == 3 else [sum(values) / len(values)] * channels


def evaluation_view(images: Tensor, size: int) -> Tensor:
    """The published test transform after packing: centre crop, normalise.

    images: packed [n, H, W, c], already squeezed to 1.15 x size. Returns float [n, c, size, size].
    The crop is where torchvision's CenterCrop puts it. Images that are packed smaller than `size` show the same
    share of themselves, enlarged (bilinear), and larger ones, for other networks, the same reduced (bilinear over
    all pixels that fall together).
    """
    height, width = images.shape[1:3]
    side, squeezed = min(height, width), round(1.15 * size)
    if side < size:
        shown = evaluation_view(images, round(side / 1.15))
        return F.interpolate(shown, size=(size, size), mode="bilinear")
    if side <= squeezed + 1:  # a pixel may be due to rounding
        top, left = round((height - size) / 2), round((width - size) / 2)
        return normalise(pixels(images[:, top : top + size, left : left + size]))
    height, width = (round(length * squeezed / side) for length in (height, width))
    reduced = F.interpolate(pixels(images), (height, width), mode="bilinear", antialias=True)
    top, left = round((height - size) / 2), round((width - size) / 2)
    return normalise(reduced[:, :, top : top + size, left : left + size])


class Renormalise:
    """A function of images [n, c, h, w] normalised as here: it takes mean and standard deviation back and
    puts those of pixels in 0..1 in their place, channel by channel. scale, offset: of three channels."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean, self.std = mean, std
        self.scale, self.offset = self._turn(3)

    def _turn(self, channels: int) -> tuple[Tensor, Tensor]:
        ours, theirs, mean, their_mean = (
            torch.tensor(_for_each(values, channels)).float().view(-1, 1, 1)
            for values in (STD, self.std, MEAN, self.mean)
        )
        return ours / theirs, (mean - their_mean) / theirs

    def __call__(self, images: Tensor) -> Tensor:
        channels = images.shape[1]
        scale, offset = (self.scale, self.offset) if channels == 3 else self._turn(channels)
        return torch.addcmul(offset.to(images), images, scale.to(images))


def expect(backbone: "Backbone", mean: Sequence[float], std: Sequence[float]) -> None:
    """Let `backbone` see images normalised with these statistics of pixels in 0..1, which its weights were
    trained with. It is given images normalised as all others are, and its first layer turns them."""
    turn = Renormalise(mean, std)
    backbone.first_layer().register_forward_pre_hook(lambda _, images: (turn(images[0]),))
    backbone.own_statistics = True
