"""Nearest class mean of frozen features (prototypes, Snell et al., arXiv 1703.05175, eq. 1 and 2)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from farfield.errors import InputError


@dataclass(frozen=True)
class NearestCentroid:
    """Learner on feature vectors: the logit of a class is minus the distance to its support mean.

    distance: "euclidean" gives -||q - c||^2, "cosine" gives cos(q, c).
    """

    distance: Literal["euclidean", "cosine"] = "euclidean"

    def __post_init__(self) -> None:
        if self.distance not in ("euclidean", "cosine"):
            raise InputError(f"distance must be euclidean or cosine, found {self.distance!r}")

    def __call__(self, support: Tensor, query: Tensor, first: int = 0) -> Tensor:
        centroids = support.mean(dim=2)  # [E, way, d]
        if self.distance == "cosine":
            return F.normalize(query, dim=-1) @ F.normalize(centroids, dim=-1).mT
        # -||q - c||^2 without the [E, queries, way, d] difference, which is what fills memory.
        squares = (query**2).sum(-1, keepdim=True) + (centroids**2).sum(-1)[:, None]
        return torch.baddbmm(squares, query, centroids.mT, beta=-1, alpha=2)
