"""MetaOptNet: a convex classifier fitted to each support, through which the embedding learns (Lee et
al., arXiv 1904.03758)."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.backbones.backbone import Backbone
from farfield.errors import InputError
from farfield.metalearning.learner import EmbeddingLearner, query_targets
from farfield.metalearning.ridge import ridge_regression
from farfield.metalearning.svm import crammer_singer

# C of the machine and lambda of the ridge in the published code.
REGULARISATION = {"svm": 0.1, "ridge": 50.0}


class MetaOptNet(EmbeddingLearner):
    """The logits of a query q are scale * q W, W fitted to the support X [n, d], Y one-hot:

    head "svm":    W = X^T A, A of the Crammer-Singer machine (`farfield.metalearning.svm`);
    head "ridge":  W = 2 X^T (X X^T + lambda I)^-1 Y. The published quadratic programme doubles its linear
                   term, hence the 2, kept so that a scale of 1 means the same.

    scale is learned, 1 at first. The number of ways is that of the episode.

    regularisation: C or lambda, None for the published one. iterations: at most so many Newton steps of
    the machine; the published code takes 15 in training and stops after 3 in its tests, here they end
    where the machine is optimal. label_smoothing: probability taken from the true class and shared
    by the others (0.1 in the published recipe for miniImageNet). InputError on impossible settings.
    """

    def __init__(
        self,
        backbone: Backbone,
        way: int,
        head: Literal["svm", "ridge"] = "svm",
        regularisation: float | None = None,
        iterations: int = 30,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(backbone)
        if head not in REGULARISATION:
            raise InputError(f"head of MetaOptNet must be svm or ridge, found {head!r}")
        if regularisation is None:
            regularisation = REGULARISATION[head]
        if regularisation <= 0:
            raise InputError(f"regularisation must be above 0, found {regularisation}")
        if iterations < 1:
            raise InputError(f"iterations must be at least 1, found {iterations}")
        if not 0 <= label_smoothing < 1:
            raise InputError(f"label_smoothing must be at least 0 and below 1, found {label_smoothing}")
        self.head = head
        self.regularisation = regularisation
        self.iterations = iterations
        self.label_smoothing = label_smoothing
        self.scale = nn.Parameter(torch.ones(()))

    def classify(self, support: Tensor, query: Tensor) -> Tensor:
        way, shot = support.shape[1:3]
        points = support.flatten(1, 2).flatten(2).double()  # both solvers need more digits than features have
        labels = F.one_hot(query_targets(way, way * shot, points.device), way).to(points)
        if self.head == "svm":
            kernel = points @ points.mT
            coefficients = crammer_singer(kernel, labels, self.regularisation, self.iterations)
            weights = points.mT @ coefficients
        else:
            weights = 2 * ridge_regression(points, labels[None], self.regularisation)
        return self.scale * (query.flatten(2) @ weights.to(query))

    def loss(self, support: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        logits = self(support, query)
        way = logits.shape[-1]
        target = query_targets(way, logits.shape[1], logits.device).repeat(len(logits))
        # torch shares what it takes among all classes, the true one included.
        smoothing = self.label_smoothing * way / (way - 1)
        return F.cross_entropy(logits.flatten(0, 1), target, label_smoothing=smoothing), logits
