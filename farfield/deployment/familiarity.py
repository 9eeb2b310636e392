"""How far an image lies from those that a classifier has learned from.

The distance is the mean to the nearest few of at most 2,000 images, in a random projection of the features
that the head reads, which keeps lengths within a few percent (Johnson and Lindenstrauss, 1984) and takes a
megabyte. It is judged by the distances of images that were left out with their groups, so that "further than
99 % of them" is what a new image of the same kind is in one case of a hundred.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn

from farfield.seeds import stream

DIMENSIONS, POINTS, NEIGHBOURS, KEPT = 128, 2000, 3, 1001
UNLIKE = 0.99  # share of left-out images that lie nearer than one that is called unlike all of them


class Familiarity(nn.Module):
    """axes: [d, r]. points: [m, r], images learned from. distances: [k], ascending, of images left out."""

    axes: Tensor
    points: Tensor
    distances: Tensor

    def __init__(self, axes: Tensor, points: Tensor, distances: Tensor) -> None:
        super().__init__()
        for name, tensor in (("axes", axes), ("points", points), ("distances", distances)):
            self.register_buffer(name, tensor)

    def forward(self, features: Tensor) -> Tensor:
        """[n], the share of left-out images that lie nearer than those with `features` [n, d]."""
        apart = nearest(features @ self.axes, self.points)
        return torch.searchsorted(self.distances, apart.contiguous()).float() / len(self.distances)


def familiarity(features: Tensor, parts: np.ndarray, seed: int) -> Familiarity:
    """Of images with features [n, d], where each image was left out with its part [n]."""
    n, d = features.shape
    random = stream(seed, "familiarity")
    size = min(DIMENSIONS, d)
    axes, _ = np.linalg.qr(random.standard_normal((d, size)))
    turned = torch.from_numpy((axes * math.sqrt(d / size)).astype(np.float32))
    projected = features @ turned
    kept = np.sort(random.permutation(n)[:POINTS])
    apart = torch.zeros(n)
    for part in np.unique(parts):
        others = kept[parts[kept] != part]
        apart[parts == part] = nearest(projected[parts == part], projected[others])
    distances = apart.sort().values
    if n > KEPT:
        levels = np.linspace(0, 1, KEPT)
        distances = torch.from_numpy(np.quantile(distances.numpy(), levels, method="higher"))
    return Familiarity(turned, projected[kept].contiguous(), distances)


def nearest(images: Tensor, points: Tensor) -> Tensor:
    """[n], the mean distance of images [n, r] to their nearest `NEIGHBOURS` of points [m, r]."""
    count = min(NEIGHBOURS, len(points))
    # By differences, not by the product of matrices, whose rounding is as large as the distance of copies.
    found = []
    for some in images.split(256):
        apart = torch.cdist(some, points, compute_mode="donot_use_mm_for_euclid_dist")
        found.append(apart.topk(count, largest=False).values.mean(-1))
    return torch.cat(found)
