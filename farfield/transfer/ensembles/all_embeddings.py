"""All embeddings (BSCD-FSL, arXiv 1912.07200): one linear head on every stage of every model."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from farfield.episodes.minibatches import minibatch_orders
from farfield.settings import keyword_settings
from farfield.transfer.ensembles import EnsembleLearner
from farfield.transfer.linear_head import Heads, HeadTraining, fit_gram, initial_heads, support_targets


@dataclass(frozen=True)
class FittedEmbeddings:
    """heads: one an episode, written in the support of each model, points [E, n, D] and its initial weights
    [E, way, D]."""

    heads: Heads
    points: Sequence[Tensor]
    weights: Sequence[Tensor]


@keyword_settings
class AllEmbeddings(HeadTraining, EnsembleLearner[FittedEmbeddings]):
    """A linear head on the concatenated features of M models.

    It is the learner LinearHead on the concatenation (4,800 features of five ResNet-10s). That is never
    built: its kernels and initial logits are sums over the models.
    """

    def fit(self, support: Sequence[Tensor], first: int = 0) -> FittedEmbeddings:
        episodes, way, shot = support[0].shape[:3]
        points = [s.flatten(1, 2) for s in support]
        dims = [p.shape[-1] for p in points]
        weight, bias = (w.to(points[0]) for w in initial_heads(self.seed, episodes, way, sum(dims), first))
        weights = weight.split(dims, dim=-1)
        orders = torch.from_numpy(minibatch_orders(self.seed, episodes, self.epochs, way * shot, first))
        heads = fit_gram(
            _summed(points, points), _summed(points, weights), bias, support_targets(way, shot), orders, self
        )
        return FittedEmbeddings(heads, points, weights)

    def scores(self, fitted: FittedEmbeddings, query: Sequence[Tensor]) -> Tensor:
        return fitted.heads.logits(_summed(query, fitted.points), _summed(query, fitted.weights))


def _summed(rows: Sequence[Tensor], columns: Sequence[Tensor]) -> Tensor:
    """The products [E, q, c] of the concatenated rows [E, q, D] and columns [E, c, D]."""
    return torch.stack([r @ c.mT for r, c in zip(rows, columns, strict=True)]).sum(0)
