"""What a probe sees of images: blocks of numbers, each of one kind, each image's of length one.

Every block is made of an image alone: of signed square roots, which tame the long tails of pooled activations,
divided by their length. Nothing is fitted, so a left-out image has no part in what a probe learns.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from farfield.backbones.backbone import Backbone
from farfield.backbones.from_onnx import OnnxNetwork
from farfield.datasets.channels import levels
from farfield.errors import InputError
from farfield.training.images import evaluation_view
from farfield.transfer.blocks import root, unit

T = TypeVar("T")

FIELDS = (3, 2)  # along a side of the last but one map, and of the last
HISTOGRAM = 16  # bins a colour channel
ON_CPU, ELSEWHERE = 8, 64  # images at once
HOG_SIZE, RAW_SIZE = 64, 32  # pixels


BLOCKS = ("features", "stages", "maxima", "spreads", "places")


def network_blocks(
    backbone: Backbone, images: Tensor, names: Sequence[str] = BLOCKS, mirrored: bool = False
) -> dict[str, Tensor]:
    """Those blocks [n, d] of normalised images [n, 3, h, w] that are named, d as of `block_widths`.

    features: what the network returns. Of the map after each stage: stages, its mean over positions; maxima and
    spreads, its maximum and standard deviation there. places: means over 3 x 3 fields of the last but one map
    and over 2 x 2 of the last. A network that shows no maps has its features alone. mirrored: the mean of an
    image's blocks and those of its mirror image.
    """
    if mirrored:
        plain, other = (network_blocks(backbone, seen, names) for seen in (images, images.flip(3)))
        return {name: (plain[name] + other[name]) / 2 for name in plain}
    features, maps = backbone.outputs(images)
    made: dict[str, Callable[[], Tensor]] = {"features": lambda: root(features)}
    of_maps = {
        "stages": lambda: _each(maps, lambda each: each.mean((2, 3))),
        "maxima": lambda: _each(maps, lambda each: each.amax((2, 3))),
        "spreads": lambda: _each(maps, lambda each: each.flatten(2).var(2, correction=0).sqrt()),
        "places": lambda: _each(
            list(zip(maps[-2:], FIELDS[-len(maps) :], strict=True)), lambda each: _fields(*each)
        ),
    }
    made |= of_maps if maps else {}
    return {name: unit(made[name]()) for name in names if name in made}


def block_widths(backbone: Backbone) -> dict[str, int]:
    """How many numbers each block of `network_blocks` has."""
    if not backbone.stage_dims:
        return {"features": backbone.feature_dim}
    stages = sum(backbone.stage_dims)
    places = sum(
        fields**2 * channels
        for fields, channels in zip(
            FIELDS[-len(backbone.stage_dims) :], backbone.stage_dims[-2:], strict=True
        )
    )
    return dict(zip(BLOCKS, (backbone.feature_dim, stages, stages, stages, places), strict=True))


def _each(maps: Sequence[T], pooled: Callable[[T], Tensor]) -> Tensor:
    return torch.cat([unit(root(pooled(each))) for each in maps], dim=1)


def _fields(values: Tensor, fields: int) -> Tensor:
    """Means [n, c * fields * fields] of maps [n, c, h, w] over fields of equal size; edges may cut positions.

    As two products, since no graph of ONNX has this pooling where fields do not divide positions.
    """
    down, across = (stretches(side, fields).to(values) for side in values.shape[2:])
    return (down @ values @ across.T).flatten(1)


def stretches(side: int, count: int) -> Tensor:
    """[count, side]: what each of `side` positions counts in the means over `count` stretches of equal length."""
    ends = torch.linspace(0, side, count + 1)[:, None]
    covered = (ends[1:] - torch.arange(side)).clamp(0, 1) - (ends[:-1] - torch.arange(side)).clamp(0, 1)
    return covered * count / side


@torch.inference_mode()
def seen_by(
    backbone: Backbone,
    images: np.ndarray,
    image_size: int,
    device: torch.device,
    batch_size: int = 0,
    *,
    plain: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """All of `network_blocks` of packed images [n, h, w, c], on the CPU. InputError if one is nan or infinite.
    batch_size: images at once; 0: few on the CPU, which need little memory for maps, but as many as its graph
    takes of an ONNX network. plain: what this gave of them; then the `mirrored` ones, for which mirror images
    alone are looked at."""
    fixed = backbone.signature.batch if isinstance(backbone, OnnxNetwork) else 0
    batch_size = batch_size or max(ON_CPU if device.type == "cpu" else ELSEWHERE, fixed)
    backbone.to(device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    parts = []
    what = "features" if plain is None else "of mirror images"
    for start in tqdm(range(0, len(images), batch_size), desc=what, unit="batch", file=sys.stderr):
        batch = torch.tensor(images[start : start + batch_size], device=device)
        view = evaluation_view(batch, image_size)
        blocks = network_blocks(backbone, view if plain is None else view.flip(3))
        if not all(bool(block.isfinite().all()) for block in blocks.values()):
            raise InputError(
                f"features of images {start} to {start + len(batch) - 1} are nan or infinite: the network does "
                f"not fit these images. Give another, or the mean and deviation that its weights expect."
            )
        parts.append({name: block.float().cpu() for name, block in blocks.items()})
    seen = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    return seen if plain is None else {name: (plain[name] + seen[name]) / 2 for name in seen}


def pixel_blocks(images: np.ndarray) -> dict[str, Tensor]:
    """{"pixels", "hog", "colours"}: what a notebook would try first, of packed images [n, h, w, c].

    pixels: the image at 32 x 32, centred on its mean. hog: histograms of oriented gradients of the grey
    image at 64 x 64 (Dalal and Triggs, CVPR 2005; scikit-image, cells of 8, blocks of 2). colours: a
    histogram of 16 bins for each channel.
    """
    from skimage.feature import hog

    rows: dict[str, list[np.ndarray]] = {"pixels": [], "hog": [], "colours": []}
    for image in map(levels, images):
        planes = torch.tensor(image).permute(2, 0, 1)[None].float()
        raw = F.interpolate(planes, size=(RAW_SIZE, RAW_SIZE), mode="area")[0].numpy()
        rows["pixels"].append((raw - raw.mean()).ravel())
        grey = F.interpolate(planes.mean(1, keepdim=True), size=(HOG_SIZE, HOG_SIZE), mode="area")[
            0, 0
        ].numpy()
        rows["hog"].append(hog(grey, pixels_per_cell=(8, 8), cells_per_block=(2, 2)))
        bins = image.reshape(-1, image.shape[2]).astype(np.int64) * HISTOGRAM // 256
        counts = [np.bincount(channel, minlength=HISTOGRAM) for channel in bins.T]
        rows["colours"].append(np.sqrt(np.concatenate(counts)))
    return {name: unit(torch.from_numpy(np.stack(values)).float()) for name, values in rows.items()}
