"""Meta-Baseline (Chen et al., arXiv 2003.04390): a pretrained network, meta-trained as a scaled cosine
classifier."""

import torch
from torch import Tensor, nn

from farfield.backbones.backbone import Backbone
from farfield.errors import InputError
from farfield.metalearning.learner import EmbeddingLearner
from farfield.transfer.nearest_centroid import NearestCentroid


class MetaBaseline(EmbeddingLearner):
    """The logit of a class is scale * cos(q, c), c the mean of its support. scale: learned, from this
    value."""

    def __init__(self, backbone: Backbone, way: int, scale: float = 10.0) -> None:
        super().__init__(backbone)
        if scale <= 0:
            raise InputError(f"scale must be above 0, found {scale}")
        self.nearest = NearestCentroid("cosine")
        self.scale = nn.Parameter(torch.tensor(float(scale)))

    def classify(self, support: Tensor, query: Tensor) -> Tensor:
        return self.scale * self.nearest(support, query)
