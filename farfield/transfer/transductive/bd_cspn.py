"""BD-CSPN: prototypes rectified by the queries (Liu et al., "Prototype Rectification for Few-Shot Learning", ECCV
2020, arXiv 1911.10713)."""

import torch
from torch import Tensor
from torch.nn import functional as F

from farfield.settings import AboveZero, keyword_settings
from farfield.transfer.transductive.head import TransductiveHead, cosines_to


@keyword_settings
class BDCSPN(TransductiveHead):
    """Scores are the cosines between the shifted queries and rectified prototypes; see `rectified`.

    start: the classes that queries are first taken for; None: that of the support mean with the largest cosine.
    shift: whether queries are moved to the support's mean. That assumes balanced queries: the means of two sets
    that hold classes in different shares differ for that alone.
    """

    temperature: AboveZero = 10.0
    shift: bool = True

    def __call__(self, support: Tensor, query: Tensor, start: Tensor | None = None) -> Tensor:
        move = shift(support, query) if self.shift else None
        return cosines_to(query, rectified(support, query, self.temperature, start, move), move)


def shift(support: Tensor, query: Tensor) -> Tensor:
    """[E, 1, d]: what moves the mean of the queries [E, Q, d] to that of the support [E, way, shot, d]."""
    return support.mean(2).mean(1, keepdim=True) - query.mean(1, keepdim=True)


def rectified(
    support: Tensor,
    query: Tensor,
    temperature: float,
    start: Tensor | None = None,
    move: Tensor | None = None,
) -> Tensor:
    """Prototypes [E, way, d]: p_k = sum_x w_x x over the support of class k and the queries taken for it,
    all queries moved by `move` [E, 1, d]; w_x = softmax(temperature cos(x, c_k)) over these, c_k the support
    mean."""
    way, shot = support.shape[1:3]
    images, means = support.flatten(1, 2), support.mean(2)
    asked = cosines_to(query, means, move)
    taken = (asked if start is None else start).argmax(-1)
    own = torch.arange(way, device=query.device).repeat_interleave(shot).expand(len(query), -1)
    members = F.one_hot(torch.cat([own, taken], dim=1), way).bool()
    close = torch.cat([cosines_to(images, means), asked], dim=1)
    weights = (temperature * close).masked_fill(~members, -torch.inf).softmax(1).mT
    of_support, of_query = weights.split([way * shot, query.shape[1]], dim=2)
    prototypes = of_support @ images + of_query @ query
    return prototypes if move is None else prototypes + of_query.sum(2, keepdim=True) * move
