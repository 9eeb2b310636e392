"""Features of every packed image, computed once."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from farfield.backbones.backbone import Backbone
from farfield.backbones.channels import with_channels
from farfield.errors import InputError
from farfield.files import allocate_array, atomic_file
from farfield.networks.views import show
from farfield.training.devices import autocast
from farfield.training.images import evaluation_view
from farfield.training.recipe import Precision, View


def feature_columns(backbone: Backbone) -> dict[str, tuple[int, int]]:
    """{name: (first, last + 1)} of the columns that `embed` writes.

    `stage1` ... hold each stage's map averaged over positions, where there are stages; `features` is what the
    backbone returns, the same columns as the last stage where it pools by averaging.
    """
    columns, end = {}, 0
    for i, dim in enumerate(backbone.stage_dims, start=1):
        columns[f"stage{i}"] = (end, end + dim)
        end += dim
    last = f"stage{len(backbone.stage_dims)}"
    columns["features"] = columns[last] if backbone.averages else (end, end + backbone.feature_dim)
    return columns


@torch.inference_mode()
def embed(
    backbone: Backbone,
    images: Tensor,
    path: Path,
    *,
    image_size: int,
    device: torch.device,
    precision: Precision = "float32",
    batch_size: int = 256,
    title: str = "embedding",
) -> None:
    """Write float32 [N, columns] for packed images [N, H, W, c] to the npy file `path`, batch by batch."""
    backbone = _ready(backbone, images, device)
    with atomic_file(path) as partial:
        out = allocate_array(partial, (len(images), _width(backbone)), np.float32)
        for batch in _batches(images, batch_size, title):
            pixels = evaluation_view(images[batch].to(device), image_size)
            out[batch] = _outputs(backbone, pixels, precision, title, batch)
        out.flush()
        del out


@torch.inference_mode()
def embed_views(
    backbone: Backbone,
    images: Tensor,
    views: Sequence[View],
    plain: np.ndarray,
    path: Path,
    *,
    image_size: int,
    device: torch.device,
    precision: Precision = "float32",
    batch_size: int = 256,
    title: str = "embedding views",
) -> None:
    """Write float32 [N, views, columns] for packed images [N, H, W, c] to the npy file `path`, batch by batch.

    plain: float32 [N, columns], what `embed` wrote of the same images, which is taken for the plain view.
    InputError if it has another shape.
    """
    backbone = _ready(backbone, images, device)
    if plain.shape != (len(images), _width(backbone)):
        raise InputError(
            f"{title}: features of the plain view are {[*plain.shape]}, expected "
            f"{[len(images), _width(backbone)]}: they are of other images or of another network. Embed these "
            f"images again."
        )
    with atomic_file(path) as partial:
        out = allocate_array(partial, (len(images), len(views), _width(backbone)), np.float32)
        for batch in _batches(images, batch_size, title):
            pixels = evaluation_view(images[batch].to(device), image_size)
            for number, view in enumerate(views):
                out[batch, number] = (
                    plain[batch]
                    if view == "plain"
                    else _outputs(backbone, show(pixels, view), precision, f"{title}, {view}", batch)
                )
        out.flush()
        del out


def _ready(backbone: Backbone, images: Tensor, device: torch.device) -> Backbone:
    backbone = with_channels(backbone, images.shape[3])
    backbone.to(device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    return backbone


def _width(backbone: Backbone) -> int:
    return max(end for _, end in feature_columns(backbone).values())


def _batches(images: Tensor, batch_size: int, title: str) -> Iterator[slice]:
    for start in tqdm(range(0, len(images), batch_size), desc=title, unit="batch", file=sys.stderr):
        yield slice(start, min(start + batch_size, len(images)))


def _outputs(
    backbone: Backbone, pixels: Tensor, precision: Precision, title: str, batch: slice
) -> np.ndarray:
    """All columns [n, columns] of the normalised images [n, c, s, s] of a batch."""
    with autocast(pixels.device, precision):
        features, maps = backbone.outputs(pixels)
        parts = [stage.float().mean((2, 3)) for stage in maps]
        if not backbone.averages:
            parts.append(features.float())
    found = torch.cat(parts, dim=1)
    if not bool(found.isfinite().all()):
        raise InputError(
            f"{title}: features of images {batch.start} to {batch.stop - 1} are nan or infinite: the network "
            f"does not fit these images or this precision. Train or give another."
        )
    return found.cpu().numpy()
