"""Feature map reconstruction networks (FRN, Wertheimer et al., arXiv 2012.01506)."""

import math

import torch
from torch import Tensor, nn

from farfield.backbones.backbone import Backbone
from farfield.metalearning.learner import EmbeddingLearner
from farfield.metalearning.metaopt_ridge import ridge_regression


class Reconstruction(EmbeddingLearner):
    """A query belongs to the class whose support reconstructs its map best.

    Images embed to the d-vectors at the r positions of the last map, divided by sqrt(d). All those of a
    class's support are S [K r, d], those of a query Q [r, d], and the logit is

        -gamma * mean over positions |rho Q (S^T S + lambda I)^-1 S^T S - Q|^2

    with lambda = (K r / d) e^a and rho = e^b. a, b (from 0) and gamma (from 1) are learned.
    """

    def __init__(self, backbone: Backbone, way: int) -> None:
        super().__init__(backbone)
        self.log_penalty = nn.Parameter(torch.zeros(()))
        self.log_rho = nn.Parameter(torch.zeros(()))
        self.gamma = nn.Parameter(torch.ones(()))

    def embed(self, images: Tensor) -> Tensor:
        """Images [n, 3, H, W] to [n, r, d]."""
        last = self.backbone.stages(images)[-1]
        return last.flatten(2).mT / math.sqrt(last.shape[1])

    def classify(self, support: Tensor, query: Tensor) -> Tensor:
        episodes, way, shot, positions, dim = support.shape
        points = support.flatten(2, 3).flatten(0, 1).double()  # [E * way, K r, d]
        penalty = shot * positions / dim * self.log_penalty.double().exp()
        # The matrix that turns Q into its reconstruction is ridge regression of S on itself.
        hat = ridge_regression(points, points, penalty).unflatten(0, (episodes, way))
        maps = query.double().flatten(1, 2)[:, None]  # [E, 1, queries * r, d]
        apart = self.log_rho.double().exp() * (maps @ hat) - maps
        errors = apart.square().sum(-1).unflatten(-1, (-1, positions)).mean(-1)  # [E, way, queries]
        return (-self.gamma.double() * errors.mT).to(query)
