"""What a probe sees of images: blocks of numbers, each of one kind, each image's of length one.

Every block is made of an image alone: of signed square roots, which tame the long tails of pooled activations,
divided by their length. Nothing is fitted, so a left-out image has no part in what a probe learns.
"""

import sys

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from farfield.backbones.backbone import Backbone
from farfield.training.images import evaluation_view

HISTOGRAM = 16  # bins a colour channel
HOG_SIZE, RAW_SIZE = 64, 32  # pixels


def network_blocks(backbone: Backbone, images: Tensor) -> dict[str, Tensor]:
    """{"features": [n, d], "stages": [n, sum of stage widths]} of normalised images [n, 3, h, w]: what the
    network returns, and the map after each of its stages, averaged over positions, if it shows them."""
    features, maps = backbone.outputs(images)
    blocks = {"features": unit(root(features))}
    if maps:
        blocks["stages"] = unit(torch.cat([unit(root(each.mean((2, 3)))) for each in maps], dim=1))
    return blocks


def root(values: Tensor) -> Tensor:
    return values.sign() * values.abs().sqrt()


def unit(values: Tensor) -> Tensor:
    return F.normalize(values, dim=1)


@torch.inference_mode()
def seen_by(
    backbone: Backbone, images: np.ndarray, image_size: int, device: torch.device, batch_size: int = 32
) -> dict[str, Tensor]:
    """`network_blocks` of uint8 images [n, h, w, 3], on the CPU."""
    backbone.to(device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    parts = []
    for start in tqdm(range(0, len(images), batch_size), desc="features", unit="batch", file=sys.stderr):
        batch = torch.tensor(images[start : start + batch_size], device=device)
        blocks = network_blocks(backbone, evaluation_view(batch, image_size))
        parts.append({name: block.float().cpu() for name, block in blocks.items()})
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def pixel_blocks(images: np.ndarray) -> dict[str, Tensor]:
    """{"pixels", "hog", "colours"}: what a notebook would try first, of uint8 images [n, h, w, 3].

    pixels: the image at 32 x 32, centred on its mean. hog: histograms of oriented gradients of the grey
    image at 64 x 64 (Dalal and Triggs, CVPR 2005; scikit-image, cells of 8, blocks of 2). colours: a
    histogram of 16 bins for each channel.
    """
    from skimage.feature import hog

    rows: dict[str, list[np.ndarray]] = {"pixels": [], "hog": [], "colours": []}
    for image in images:
        planes = torch.tensor(image).permute(2, 0, 1)[None].float()
        raw = F.interpolate(planes, size=(RAW_SIZE, RAW_SIZE), mode="area")[0].numpy()
        rows["pixels"].append((raw - raw.mean()).ravel())
        grey = F.interpolate(planes.mean(1, keepdim=True), size=(HOG_SIZE, HOG_SIZE), mode="area")[
            0, 0
        ].numpy()
        rows["hog"].append(hog(grey, pixels_per_cell=(8, 8), cells_per_block=(2, 2)))
        bins = image.reshape(-1, 3).astype(np.int64) * HISTOGRAM // 256
        counts = [np.bincount(channel, minlength=HISTOGRAM) for channel in bins.T]
        rows["colours"].append(np.sqrt(np.concatenate(counts)))
    return {name: unit(torch.from_numpy(np.stack(values)).float()) for name, values in rows.items()}
