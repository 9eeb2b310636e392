"""Logistic regression on the features of a pretrained network ("Rethinking few-shot image classification: a
good embedding is all you need?", Tian et al., arXiv 2003.11539)."""

import torch
from torch import Tensor

from farfield.backbones.backbone import Backbone
from farfield.errors import InputError
from farfield.metalearning.learner import EmbeddingLearner
from farfield.transfer.blocks import unit
from farfield.transfer.gram_logistic import fit


class RFS(EmbeddingLearner):
    """On features of length one, the least of penalty * cross-entropies + |W|^2 / 2; the bias is free.
    Nothing is meta-learned. penalty: C of scikit-learn."""

    def __init__(self, backbone: Backbone, way: int, penalty: float = 1.0) -> None:
        super().__init__(backbone)
        if penalty <= 0:
            raise InputError(f"penalty must be above 0, found {penalty}")
        self.penalty = penalty

    def classify(self, support: Tensor, query: Tensor) -> Tensor:
        way, shot = support.shape[1:3]
        points = unit(support.flatten(1, 2))
        centre = points.mean(1, keepdim=True)
        points = points - centre
        truth = torch.eye(way, device=points.device).repeat_interleave(shot, 1)
        fitted = fit(points @ points.mT, truth, (self.penalty,))
        return fitted.heads(points).logits(unit(query) - centre)[:, :, 0]
