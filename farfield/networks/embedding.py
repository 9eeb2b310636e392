"""Features of every packed image, computed once."""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from farfield.backbones.backbone import Backbone
from farfield.backbones.channels import with_channels
from farfield.errors import InputError
from farfield.files import allocate_array, atomic_file
from farfield.training.devices import autocast
from farfield.training.images import evaluation_view
from farfield.training.recipe import Precision


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
    backbone = with_channels(backbone, images.shape[3])
    backbone.to(device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    columns = feature_columns(backbone)
    width = max(end for _, end in columns.values())
    with atomic_file(path) as partial:
        out = allocate_array(partial, (len(images), width), np.float32)
        starts = range(0, len(images), batch_size)
        for start in tqdm(starts, desc=title, unit="batch", file=sys.stderr):
            batch = images[start : start + batch_size].to(device)
            with autocast(device, precision):
                features, maps = backbone.outputs(evaluation_view(batch, image_size))
                parts = [stage.float().mean((2, 3)) for stage in maps]
                if not backbone.averages:
                    parts.append(features.float())
            found = torch.cat(parts, dim=1)
            if not bool(found.isfinite().all()):
                raise InputError(
                    f"{title}: features of images {start} to {start + len(found) - 1} are nan or infinite: the "
                    f"network does not fit these images or this precision. Train or give another."
                )
            out[start : start + batch_size] = found.cpu().numpy()
        out.flush()
        del out
