"""Nearest class mean of frozen features (prototypes, Snell et al., arXiv 1703.05175, eq. 1 and 2)."""

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from farfield.settings import settings
from farfield.transfer.learner import AllImages, Head, Learner


@settings
class NearestCentroid(Learner[Tensor, Tensor]):
    """Learner on feature vectors: the logit of a class is minus the distance to its support mean.

    distance: "euclidean" gives -||q - c||^2, "cosine" gives cos(q, c). Nothing is drawn: `seed` has no effect.
    """

    distance: Literal["euclidean", "cosine"] = "euclidean"
    seed: int = 0
    exportable: ClassVar[bool] = True

    def fit(self, support: Tensor, first: int = 0) -> Tensor:
        """The centroids [E, way, d]."""
        return support.mean(dim=2)

    def scores(self, fitted: Tensor, query: Tensor) -> Tensor:
        centroids = fitted
        if self.distance == "cosine":
            return F.normalize(query, dim=-1) @ F.normalize(centroids, dim=-1).mT
        # -||q - c||^2 without the [E, queries, way, d] difference, which is what fills memory.
        squares = (query**2).sum(-1, keepdim=True) + (centroids**2).sum(-1)[:, None]
        return torch.baddbmm(squares, query, centroids.mT, beta=-1, alpha=2)

    def export(self, images: AllImages) -> tuple[Head, dict[str, Any]]:
        """-||f - c||^2 and 2 c f - ||c||^2 differ by ||f||^2, the same for all classes: a linear head gives the
        same probabilities."""
        features = images.features()
        targets = torch.from_numpy(images.labels).long().to(features.device)
        sums = torch.zeros(images.classes, features.shape[1], dtype=torch.float64, device=features.device)
        sums.index_add_(0, targets, features.double())
        means = sums / torch.bincount(targets, minlength=images.classes)[:, None]
        if self.distance == "cosine":
            return Head(means.float(), torch.zeros(images.classes, device=features.device), scale=1.0), {}
        return Head((2 * means).float(), -(means**2).sum(1).float()), {}
