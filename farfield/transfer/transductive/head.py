"""The one interface of transductive heads, and what several of them compute alike.

A transductive head answers the queries of an episode jointly, so that each answer depends on which others are
asked. Nothing is drawn at random, and episodes never see each other.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional as F


class TransductiveHead(ABC):
    """Scores [E, Q, way] of all queries of E episodes.

    support: features [E, way, shot, d]. query: [E, Q, d], whose classes need not be equally frequent. start: what
    an inductive classifier says of the queries, log-probabilities [E, Q, way]; None for the published start. A
    query is given the class of its highest score.
    """

    @abstractmethod
    def __call__(self, support: Tensor, query: Tensor, start: Tensor | None = None) -> Tensor: ...


def unit(points: Tensor) -> Tensor:
    """Of length 1 along the last dimension."""
    return F.normalize(points, dim=-1)


def squared_distances(points: Tensor, others: Tensor) -> Tensor:
    """[E, n, m] between [E, n, d] and [E, m, d], without the differences [E, n, m, d]; never below 0."""
    squares = (points**2).sum(-1, keepdim=True) + (others**2).sum(-1)[:, None]
    return torch.baddbmm(squares, points, others.mT, alpha=-2).clamp_min(0)


def nearest(points: Tensor, count: int) -> Tensor:
    """bool [E, n, n]: row i marks the `count` points nearest to point i of points [E, n, d], without itself;
    all others where there are no more.
    """
    distances = squared_distances(points, points)
    distances.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    found = distances.topk(min(count, points.shape[1] - 1), largest=False).indices
    return torch.zeros_like(distances, dtype=torch.bool).scatter_(2, found, True)


def soft_means(support: Tensor, query: Tensor, shares: Tensor) -> Tensor:
    """Class means [E, way, d] of support [E, way, shot, d] and query [E, Q, d], of which each class has `shares`
    [E, Q, way]."""
    total = support.sum(2) + shares.mT @ query
    return total / (support.shape[2] + shares.sum(1))[..., None]
