"""The one interface of transductive heads, and what several of them compute alike.

A transductive head answers the queries of an episode jointly, so that each answer depends on which others are
asked. Nothing is drawn at random, and episodes never see each other.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from farfield.transfer.blocks import unit


class TransductiveHead(ABC):
    """Scores [E, Q, way] of all queries of E episodes.

    support: features [E, way, shot, d]. query: [E, Q, d], whose classes need not be equally frequent. start: what
    an inductive classifier says of the queries, log-probabilities [E, Q, way]; None for the published start. A
    query is given the class of its highest score.
    """

    @abstractmethod
    def __call__(self, support: Tensor, query: Tensor, start: Tensor | None = None) -> Tensor: ...


def squared_distances(points: Tensor, others: Tensor) -> Tensor:
    """[E, n, m] between [E, n, d] and [E, m, d], without the differences [E, n, m, d]; never below 0."""
    squares = (points**2).sum(-1, keepdim=True) + (others**2).sum(-1)[:, None]
    return torch.baddbmm(squares, points, others.mT, alpha=-2).clamp_min(0)


def cosines(points: Tensor) -> Tensor:
    """[E, n, n] between all of points [E, n, d]: of their Gram matrix, which reads each point once."""
    gram = points @ points.mT
    scale = gram.diagonal(dim1=1, dim2=2).clamp_min(torch.finfo(gram.dtype).tiny).rsqrt()
    return gram.mul_(scale[:, :, None]).mul_(scale[:, None])


def cosines_to(points: Tensor, others: Tensor, move: Tensor | None = None) -> Tensor:
    """[E, n, m] between points [E, n, d], all moved by `move` [E, 1, d], and others [E, m, d].

    From products with the points as they are: moving them would write all of them anew.
    """
    others = unit(others)
    lengths = torch.linalg.vector_norm(points, dim=-1, keepdim=True)
    if move is None:
        return points @ others.mT / lengths.clamp_min(torch.finfo(points.dtype).eps)
    products = points @ torch.cat([others, move], dim=1).mT + move @ torch.cat([others, move / 2], dim=1).mT
    lengths = (lengths**2 + 2 * products[..., -1:]).clamp_min(torch.finfo(points.dtype).eps).sqrt()
    return products[..., :-1] / lengths


def nearest(similarities: Tensor, count: int) -> Tensor:
    """bool [E, n, n]: row i marks the `count` points most similar to point i, without itself; all others where
    there are no more. similarities: [E, n, n]."""
    others = similarities.clone()
    others.diagonal(dim1=1, dim2=2).fill_(-torch.inf)
    found = others.topk(min(count, others.shape[1] - 1)).indices
    return torch.zeros_like(others, dtype=torch.bool).scatter_(2, found, True)


def soft_means(support: Tensor, query: Tensor, shares: Tensor) -> Tensor:
    """Class means [E, way, d] of support [E, way, shot, d] and query [E, Q, d], of which each class has `shares`
    [E, Q, way]."""
    total = support.sum(2) + shares.mT @ query
    return total / (support.shape[2] + shares.sum(1))[..., None]
