"""All embeddings (BSCD-FSL, arXiv 1912.07200): one linear head on every stage of every model."""

import torch
from torch import Tensor

from farfield.episodes.minibatches import minibatch_orders
from farfield.transfer.linear_head import HeadTraining, fit_gram, initial_heads, support_targets


def all_embeddings(
    support: list[Tensor], query: list[Tensor], settings: HeadTraining, seed: int, first: int = 0
) -> Tensor:
    """Logits [E, Q, way] of a linear head on the concatenated features of M models.

    For each model, support [E, way, shot, D] and query [E, Q, D]. The head is the learner LinearHead
    on the concatenation (4,800 features of five ResNet-10s). That is never built: its kernels and
    initial logits are sums over the models.
    """
    episodes, way, shot = support[0].shape[:3]
    points = [s.flatten(1, 2) for s in support]
    dims = [p.shape[-1] for p in points]
    weight, bias = (w.to(points[0]) for w in initial_heads(seed, episodes, way, sum(dims), first))
    weights = weight.split(dims, dim=-1)
    orders = torch.from_numpy(minibatch_orders(seed, episodes, settings.epochs, way * shot, first))

    def kernel(rows: list[Tensor]) -> Tensor:
        return torch.stack([r @ p.mT for r, p in zip(rows, points, strict=True)]).sum(0)

    def initial(rows: list[Tensor]) -> Tensor:
        return torch.stack([r @ w.mT for r, w in zip(rows, weights, strict=True)]).sum(0)

    head = fit_gram(kernel(points), initial(points), bias, support_targets(way, shot), orders, settings)
    return head.logits(kernel(query), initial(query))
