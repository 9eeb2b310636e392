"""R2-D2 (Bertinetto et al., arXiv 1805.08136): ridge regression to one-hot labels, through which features
learn."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.backbones.backbone import Backbone
from farfield.errors import InputError
from farfield.metalearning.learner import EmbeddingLearner, query_targets
from farfield.metalearning.metaopt_ridge import ridge_regression


class R2D2(EmbeddingLearner):
    """The logits of a query z are scale * (z W + b) + shift, scale and shift learned.

    [W; b] solves ridge regression of the one-hot labels Y on X with a column of ones, both divided by
    sqrt(n) as in the released code: the same as n * regularisation on data as they are.

    regularisation: its start if it is learned, as the paper says; the released configuration leaves it at
    50. scale: its start. The published 1e-4 needs Adam; from scratch in few steps 10 is better."""

    def __init__(
        self,
        backbone: Backbone,
        way: int,
        regularisation: float = 50.0,
        learn_regularisation: bool = False,
        scale: float = 1e-4,
    ) -> None:
        super().__init__(backbone)
        if regularisation <= 0 or scale <= 0:
            raise InputError(f"regularisation and scale must be above 0, found {regularisation} and {scale}")
        self.scale = nn.Parameter(torch.tensor(float(scale)))
        self.shift = nn.Parameter(torch.zeros(()))
        logarithm = torch.tensor(math.log(regularisation))
        self.log_regularisation = nn.Parameter(logarithm, requires_grad=learn_regularisation)

    def classify(self, support: Tensor, query: Tensor) -> Tensor:
        way, shot = support.shape[1:3]
        points = F.pad(support.flatten(1, 2).double(), (0, 1), value=1.0)
        labels = F.one_hot(query_targets(way, way * shot, points.device), way).to(points)
        root = math.sqrt(way * shot)
        weights = ridge_regression(points / root, labels[None] / root, self.log_regularisation.double().exp())
        return self.scale * (F.pad(query, (0, 1), value=1.0) @ weights.to(query)) + self.shift
