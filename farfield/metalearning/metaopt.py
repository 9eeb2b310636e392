"""MetaOptNet: a convex classifier fitted to each support, through which the embedding learns (Lee et
al., arXiv 1904.03758)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.backbones.backbone import Backbone
from farfield.errors import InputError
from farfield.metalearning.learner import EmbeddingLearner, query_targets


class MetaOptNet(EmbeddingLearner):
    """The logits of a query q are scale * q W, W fitted to the support X [n, d], Y one-hot, as a subclass says.

    scale is learned, 1 at first. The number of ways is that of the episode.

    regularisation: of the fit, above 0. label_smoothing: probability taken from the true class and shared
    by the others (0.1 in the published recipe for miniImageNet). InputError on impossible settings.
    """

    def __init__(self, backbone: Backbone, regularisation: float, label_smoothing: float) -> None:
        super().__init__(backbone)
        if regularisation <= 0:
            raise InputError(f"regularisation must be above 0, found {regularisation}")
        if not 0 <= label_smoothing < 1:
            raise InputError(f"label_smoothing must be at least 0 and below 1, found {label_smoothing}")
        self.regularisation = regularisation
        self.label_smoothing = label_smoothing
        self.scale = nn.Parameter(torch.ones(()))

    def weights(self, points: Tensor, labels: Tensor) -> Tensor:
        """W, float64 [E, d, way], of the supports X [E, n, d] with the one-hot labels [n, way] of each."""
        raise NotImplementedError

    def classify(self, support: Tensor, query: Tensor) -> Tensor:
        way, shot = support.shape[1:3]
        points = support.flatten(1, 2).flatten(2).double()  # both solvers need more digits than features have
        labels = F.one_hot(query_targets(way, way * shot, points.device), way).to(points)
        return self.scale * (query.flatten(2) @ self.weights(points, labels).to(query))

    def loss(self, support: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        logits = self(support, query)
        way = logits.shape[-1]
        target = query_targets(way, logits.shape[1], logits.device).repeat(len(logits))
        # torch shares what it takes among all classes, the true one included.
        smoothing = self.label_smoothing * way / (way - 1)
        return F.cross_entropy(logits.flatten(0, 1), target, label_smoothing=smoothing), logits
