"""Zoom, crop and mirror images together with their targets, whole batches at once.

AdaShare's transform: resize by a random factor, mirror, pad where smaller than the crop, crop. Here
each output pixel is looked up directly in the packed image; images are bilinear, targets nearest.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from farfield.sharing.protocol import Protocol
from farfield.sharing.recipe import DenseAugmentation, Depth
from farfield.training.images import normalise

LOG_RANGE = 16 * math.log(2)  # Taskonomy's depth is log(1 + raw) / log(2^16)


@dataclass(frozen=True)
class DenseDraws:
    """What chance decides for each of n images, and the settings it was drawn from.

    zoomed: int64 [n, 2], height and width of the resized image. corners: int64 [n, 2], top and left of
    the crop in it, below 0 where it is padded. flips: bool [n].
    """

    zoomed: Tensor
    corners: Tensor
    flips: Tensor
    settings: DenseAugmentation


def draw(
    count: int, height: int, width: int, settings: DenseAugmentation, generator: torch.Generator
) -> DenseDraws:
    """Draw for `count` images of height x width. On the CPU, so that no device changes the numbers."""
    low, high = settings.scale
    scales = low + (high - low) * torch.rand(count, 1, generator=generator)
    zoomed = torch.round(scales * torch.tensor([height, width])).clamp(min=1)
    spare = zoomed - torch.tensor(settings.size)
    uniform = torch.rand(count, 2, generator=generator)
    # An image smaller than the crop lies in its middle.
    corners = torch.where(spare >= 0, torch.floor(uniform * (spare + 1)), torch.floor(spare / 2))
    flips = torch.rand(count, generator=generator) < settings.flip
    return DenseDraws(zoomed.long(), corners.long(), flips, settings)


def augment(
    images: Tensor, targets: dict[str, Tensor], draws: DenseDraws, protocol: Protocol
) -> tuple[Tensor, dict[str, Tensor]]:
    """Normalised float images [n, 3, h, w] and the targets at the same pixels.

    images: uint8 [n, H, W, 3]. targets: as of `DenseImages.batch`. Padding is black in the image and
    unknown in targets. A mirror image negates the normals' x (channel 0) and a zoom changes depth,
    unless the protocol says that they stay.
    """
    zoomed, corners = draws.zoomed.to(images.device), draws.corners.to(images.device)
    flips = draws.flips.to(images.device)
    steps = [
        corners[:, axis, None] + torch.arange(size, device=images.device)
        for axis, size in enumerate(draws.settings.size)
    ]
    rows = _Side(steps[0], images.shape[1], zoomed[:, :1])
    columns = _Side(torch.where(flips[:, None], steps[1].flip(1), steps[1]), images.shape[2], zoomed[:, 1:])
    inside = rows.inside[:, :, None] & columns.inside[:, None]
    pixels = _bilinear(images, rows, columns).mul_(inside[:, None])
    nearest = rows.nearest[:, :, None] * columns.length + columns.nearest[:, None]
    cut = {task: _take(target, nearest, inside) for task, target in targets.items()}
    if "normals" in cut and protocol.flip_normals:
        cut["normals"][:, 0] *= torch.where(flips, -1, 1)[:, None, None]
    if "depth" in cut and protocol.zoom_depth:
        factor = (zoomed[:, 0] / rows.length)[:, None, None, None]
        cut["depth"] = _zoom_depth(cut["depth"], factor, draws.settings.depth)
    return normalise(pixels), cut


def evaluation_view(images: Tensor, targets: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """The whole images, normalised: float [n, 3, H, W] of uint8 [n, H, W, 3]; the targets as they are."""
    return normalise(images.permute(0, 3, 1, 2).float()), targets


@dataclass(frozen=True)
class _Side:
    """Output pixels along one side: `steps` [n, size] count pixels of the resized image, `zoomed` [n, 1]
    long, which was `length` long when packed."""

    steps: Tensor
    length: int
    zoomed: Tensor

    @property
    def inside(self) -> Tensor:
        return (self.steps >= 0) & (self.steps < self.zoomed)

    @property
    def centres(self) -> Tensor:
        """Places in the packed image, from -1 at its first pixel to 1 at its last.

        Pixel centres keep their place under resizing, as in `interpolate(align_corners=False)`.
        """
        last = self.length - 1
        places = ((self.steps + 0.5) * (self.length / self.zoomed) - 0.5).clamp(0, last)
        return places * (2 / max(last, 1)) - 1

    @property
    def nearest(self) -> Tensor:
        """The packed pixel that holds each centre: floor((step + 1/2) length / zoomed), in integers, since
        ties would fall either way in float32."""
        return ((2 * self.steps + 1) * self.length // (2 * self.zoomed)).clamp(0, self.length - 1)


def _bilinear(images: Tensor, rows: _Side, columns: _Side) -> Tensor:
    """float [n, 3, h, w] of uint8 [n, H, W, 3]."""
    grid = torch.stack(torch.broadcast_tensors(columns.centres[:, None], rows.centres[:, :, None]), dim=-1)
    return F.grid_sample(images.permute(0, 3, 1, 2).float(), grid, padding_mode="border", align_corners=True)


def _take(target: Tensor, places: Tensor, inside: Tensor) -> Tensor:
    """Pixels `places` [n, h, w] of a target [n, H, W] or [n, C, H, W], unknown where not `inside`."""
    unknown = torch.nan if target.is_floating_point() else -1
    if target.dim() == 4:
        places, inside = places[:, None].expand(-1, target.shape[1], -1, -1), inside[:, None]
    pixels = target.flatten(-2).gather(-1, places.flatten(-2)).view(places.shape)
    return torch.where(inside, pixels, unknown)


def _zoom_depth(depth: Tensor, factor: Tensor, kind: Depth) -> Tensor:
    if kind == "metric":
        return depth / factor
    if kind == "disparity":
        return depth * factor
    return torch.log1p(torch.expm1(depth * LOG_RANGE) / factor) / LOG_RANGE
