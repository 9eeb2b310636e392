"""Few-shot image recognition by predicting parameters from activations (Qiao et al., arXiv 1706.03466)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.backbones.backbone import Backbone
from farfield.metalearning.learner import EmbeddingLearner, query_targets


class ParameterPredictor(EmbeddingLearner):
    """The weight of a class is phi(s) = normalise(A2 relu(A1 normalise(s) + b1) + b2) of a statistic s of
    its activations a, and the score of an image a . phi(s); neither a temperature nor a bias.

    In training s is one activation with probability `single`, else the mean of all activations of the class
    (`prepare`); in a test the mean of the support. A1 and A2 start as the identity, b1 and b2 at zero, so
    that on activations that are not negative the untrained predictor is the nearest mean by cosine.

    classes: how many base classes.
    """

    means: Tensor

    def __init__(self, backbone: Backbone, way: int, classes: int, single: float = 0.7) -> None:
        super().__init__(backbone)
        dim = backbone.feature_dim
        self.single = single
        self.first, self.second = nn.Linear(dim, dim), nn.Linear(dim, dim)
        for layer in (self.first, self.second):
            nn.init.eye_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.register_buffer("means", torch.zeros(classes, dim))

    def prepare(self, features: Tensor, labels: Tensor) -> None:
        sums = torch.zeros_like(self.means).index_add_(0, labels, features)
        self.means.copy_(sums / labels.bincount(minlength=len(sums))[:, None])

    def weights(self, statistics: Tensor) -> Tensor:
        """phi, of length one, [..., d]."""
        return F.normalize(self.second(self.first(F.normalize(statistics, dim=-1)).relu()), dim=-1)

    def classify(self, support: Tensor, query: Tensor) -> Tensor:
        return query @ self.weights(support.mean(2)).mT

    def task_loss(self, support: Tensor, query: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        support, query = self.embed_episodes(support, query)
        one = torch.rand(classes.shape, device=query.device) < self.single
        statistics = torch.where(one[..., None], support[:, :, 0], self.means[classes])
        logits = query @ self.weights(statistics).mT
        target = query_targets(support.shape[1], query.shape[1], query.device).repeat(len(logits))
        return F.cross_entropy(logits.flatten(0, 1), target), logits
