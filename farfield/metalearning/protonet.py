"""Prototypical networks (Snell et al., arXiv 1703.05175)."""

from typing import Any

from torch import Tensor

from farfield.backbones.backbone import Backbone
from farfield.metalearning.learner import EmbeddingLearner
from farfield.transfer.learner import AllImages, Head
from farfield.transfer.nearest_centroid import NearestCentroid


class ProtoNet(EmbeddingLearner):
    """A class is the mean of its support embeddings (eq. 1), and the logit of a query is minus its
    squared Euclidean distance to that mean (eq. 2): a sum over dimensions, without a temperature.
    The number of ways is that of the episode."""

    exportable = True

    def __init__(self, backbone: Backbone, way: int) -> None:
        super().__init__(backbone)
        self.nearest = NearestCentroid("euclidean")

    def classify(self, support: Tensor, query: Tensor) -> Tensor:
        return self.nearest(support, query)

    def export(self, images: AllImages) -> tuple[Head, dict[str, Any]]:
        return self.nearest.export(images)
