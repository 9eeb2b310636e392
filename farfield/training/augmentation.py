"""The published training transform on whole batches of tensors.

RandomResizedCrop, image jitter, horizontal flip, normalise: the order and distributions of BSCD-FSL
(`train_aug` of arXiv 1912.07200). Differences from the PIL original: crops are taken from the packed
(square) image by bilinear sampling, and values are not rounded to integers between steps.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from farfield.training.images import normalise, pixels
from farfield.training.recipe import Augmentation

TRIES = 10  # of torchvision's RandomResizedCrop before it falls back to a centre crop


@dataclass(frozen=True)
class Draws:
    """What chance decides for each of n images: boxes [n, 4] of (top, left, height, width), flips bool
    [n], and jitter factors [n, 3], or None if nothing is jittered."""

    boxes: Tensor
    flips: Tensor
    factors: Tensor | None

    def __getitem__(self, share: slice) -> "Draws":
        factors = None if self.factors is None else self.factors[share]
        return Draws(self.boxes[share], self.flips[share], factors)


def draw(
    count: int, height: int, width: int, size: int, settings: Augmentation, generator: torch.Generator
) -> Draws:
    """Draw for `count` images of height x width, of which size x size is to be made.

    On the CPU, so that no device changes the numbers.
    """
    if settings.crop == "random":
        places = torch.tensor([height - size + 1, width - size + 1])
        corners = torch.floor(torch.rand(count, 2, generator=generator) * places)
        boxes = torch.cat([corners, torch.full((count, 2), float(size))], dim=1)
    else:
        boxes = crop_boxes(count, height, width, settings, generator)
    flips = torch.rand(count, generator=generator) < settings.flip
    factors = None
    if settings.jitter > 0:
        factors = 1 + settings.jitter * (2 * torch.rand(count, 3, generator=generator) - 1)
    return Draws(boxes, flips, factors)


def augment(images: Tensor, draws: Draws, size: int, crop: str = "resized") -> Tensor:
    """Packed [n, H, W, c] to augmented, normalised float [n, c, size, size], each image on its own.

    crop: as in the settings that were drawn from.
    """
    boxes, flips = draws.boxes.to(images.device), draws.flips.to(images.device)
    cut = cut_and_flip if crop == "random" else crop_and_flip
    seen = cut(images, boxes, flips, size)
    if draws.factors is not None:
        seen = jitter(seen, draws.factors.to(images.device))
    return normalise(seen)


def cut_and_flip(images: Tensor, boxes: Tensor, flips: Tensor, size: int) -> Tensor:
    """[n, c, size, size] of packed [n, H, W, c]: the pixels of each box, mirrored where `flips`."""
    height, width, channels = images.shape[1:]
    steps = torch.arange(size, device=images.device)
    top, left = boxes.long().unbind(1)[:2]
    first = torch.arange(len(images), device=images.device) * height + top
    rows, columns = first[:, None] + steps, left[:, None] + steps
    columns = torch.where(flips[:, None], columns.flip(1), columns)
    # Pixels by one index into all of them: four times faster than by three indices.
    places = rows[:, :, None] * width + columns[:, None, :]
    cut = images.reshape(-1, channels).index_select(0, places.view(-1))
    return pixels(cut.view(len(images), size, size, channels))


def crop_boxes(
    count: int, height: int, width: int, settings: Augmentation, generator: torch.Generator
) -> Tensor:
    """[count, 4] of (top, left, height, width): torchvision's RandomResizedCrop, all images at once.

    Of ten draws of (area, log ratio) the first that fits the image counts; if none does, the largest
    centred box with an allowed ratio.
    """
    draws = torch.rand(2, count, TRIES, generator=generator)
    area = height * width * (settings.area[0] + (settings.area[1] - settings.area[0]) * draws[0])
    low, high = (math.log(r) for r in settings.ratio)
    ratio = torch.exp(low + (high - low) * draws[1])
    w, h = torch.round(torch.sqrt(area * ratio)), torch.round(torch.sqrt(area / ratio))
    fits = (w > 0) & (w <= width) & (h > 0) & (h <= height)
    first = fits.float().argmax(dim=1, keepdim=True)
    found = fits.any(dim=1)
    widest = min(width, round(height * settings.ratio[1]))
    highest = min(height, round(width / settings.ratio[0]))
    w = torch.where(found, w.gather(1, first)[:, 0], torch.tensor(float(widest)))
    h = torch.where(found, h.gather(1, first)[:, 0], torch.tensor(float(highest)))
    place = torch.rand(2, count, generator=generator)
    top, left = torch.floor(place[0] * (height - h + 1)), torch.floor(place[1] * (width - w + 1))
    centred_top, centred_left = round((height - highest) / 2), round((width - widest) / 2)
    top = torch.where(found, top, torch.tensor(float(centred_top)))
    left = torch.where(found, left, torch.tensor(float(centred_left)))
    return torch.stack([top, left, h, w], dim=1)


def crop_and_flip(images: Tensor, boxes: Tensor, flips: Tensor, size: int) -> Tensor:
    """Cut [n, c, size, size] out of packed [n, H, W, c], one box an image, mirrored where `flips`."""
    height, width = images.shape[1:3]
    top, left, h, w = boxes.unbind(1)
    rows, columns = sample_positions(top, h, size), sample_positions(left, w, size)
    columns = torch.where(flips[:, None], columns.flip(1), columns)
    # grid_sample counts from -1 at the first pixel to 1 at the last.
    y, x = rows * (2 / (height - 1)) - 1, columns * (2 / (width - 1)) - 1
    grid = torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), dim=-1)
    return F.grid_sample(pixels(images), grid, align_corners=True)


def sample_positions(start: Tensor, extent: Tensor, size: int) -> Tensor:
    """[n, size]: where the output pixels of a box [start, start + extent) lie, kept inside the box."""
    inside = (torch.arange(size, device=start.device) + 0.5) * (extent / size)[:, None] - 0.5
    return torch.minimum(inside.clamp(min=0), (extent - 1)[:, None]) + start[:, None]


def jitter(images: Tensor, factors: Tensor) -> Tensor:
    """Brightness, then contrast, then colour, each clamped to 0..255 as PIL's ImageEnhance does.

    images: [n, c, H, W], overwritten and returned; factors: [n, 3]. Each step blends the image with a
    degenerate one: black, the mean grey of the image, the image without colour.
    """
    brightness, contrast, colour = factors[:, :, None, None, None].unbind(1)
    images.mul_(brightness).clamp_(0, 255)
    mean = torch.floor(grey(images).mean((1, 2, 3), keepdim=True) + 0.5)
    images.lerp_(mean, 1 - contrast).clamp_(0, 255)
    return images.lerp_(grey(images), 1 - colour).clamp_(0, 255)


def grey(images: Tensor) -> Tensor:
    """Luma of ITU-R 601-2, which PIL uses for mode L: [n, 3, H, W] to [n, 1, H, W]; of another number of channels
    their mean."""
    channels = images.shape[1]
    luma = [[0.299, 0.587, 0.114]] if channels == 3 else [[1 / channels] * channels]
    weights = torch.tensor(luma, device=images.device)
    return (weights @ images.flatten(2)).view(len(images), 1, *images.shape[2:])
