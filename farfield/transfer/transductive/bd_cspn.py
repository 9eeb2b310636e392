"""BD-CSPN: prototypes rectified by the queries (Liu et al., "Prototype Rectification for Few-Shot Learning", ECCV
2020, arXiv 1911.10713)."""

import torch
from torch import Tensor
from torch.nn import functional as F

from farfield.settings import AboveZero, keyword_settings
from farfield.transfer.transductive.head import TransductiveHead, unit


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
        query = shifted(support, query) if self.shift else query
        prototypes = rectified(support, query, self.temperature, start)
        return unit(query) @ unit(prototypes).mT


def shifted(support: Tensor, query: Tensor) -> Tensor:
    """The queries [E, Q, d] moved so that their mean is that of the support [E, way, shot, d]."""
    return query + support.mean((1, 2))[:, None] - query.mean(1, keepdim=True)


def rectified(support: Tensor, query: Tensor, temperature: float, start: Tensor | None = None) -> Tensor:
    """Prototypes [E, way, d]: p_k = sum_x w_x x over the support of class k and the queries taken for it, with
    w_x = softmax(temperature cos(x, c_k)) over these and the support mean c_k."""
    way, shot = support.shape[1:3]
    images = torch.cat([support.flatten(1, 2), query], dim=1)
    cosines = unit(images) @ unit(support.mean(2)).mT  # [E, way * shot + Q, way]
    taken = (cosines[:, way * shot :] if start is None else start).argmax(-1)
    own = torch.arange(way, device=query.device).repeat_interleave(shot).expand(len(query), -1)
    members = F.one_hot(torch.cat([own, taken], dim=1), way).bool()
    weights = (temperature * cosines).masked_fill(~members, -torch.inf).softmax(1)
    return weights.mT @ images
