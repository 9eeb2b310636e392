"""Label propagation: classes spread over a graph of nearest neighbours.

Zhou et al., "Learning with Local and Global Consistency" (NeurIPS 2003): with the affinities W of a graph and
S = D^-1/2 W D^-1/2, D the degrees, scores are F = (I - alpha S)^-1 Y, the sum over walks of each length l of
alpha^l S^l Y. Here in one Cholesky factorisation of all episodes.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from farfield.errors import InputError
from farfield.settings import BelowOne, Positive, keyword_settings
from farfield.transfer.transductive.head import TransductiveHead, cosines, nearest


@keyword_settings
class LabelPropagation(TransductiveHead):
    """Scores log F of the queries.

    The graph is of unit vectors: w_ij = exp(-||x_i - x_j||^2 / 2 s^2) if j is one of the `neighbours` nearest to
    i, s^2 the mean of these squared distances in the episode, and then W = (W + W^T) / 2. Y has one row a node:
    of the support its class, of a query the probabilities of `start`, or 0 without one.

    points: "queries" leaves the support out of the graph, as the released code of FTEM does with its tuned head
    as `start`. kept: in each class only so large a share of the queries, those that it is likeliest for, starts
    with its probability and the others with 0; FTEM has 0.2.

    Assumes nothing of how frequent classes are with `kept` 1. With `kept` 1 / way it assumes balanced queries. A
    query that no walk connects with any label is given the first class.

    trust: the answer is log F, of a sum of 1 over the classes, by this share, and `start` by the rest.
    """

    neighbours: Positive = 10
    alpha: BelowOne = 0.5
    points: Literal["support and queries", "queries"] = "support and queries"
    kept: Annotated[float, Field(strict=True, gt=0, le=1)] = 1.0
    trust: Annotated[float, Field(strict=True, gt=0, le=1)] = 1.0

    def __call__(self, support: Tensor, query: Tensor, start: Tensor | None = None) -> Tensor:
        way, shot = support.shape[1:3]
        if start is None and self.points == "queries":
            raise InputError(
                "label propagation on queries alone has no label to begin with; give it the log-probabilities of "
                "an inductive classifier as its start, or take points: support and queries"
            )
        labels = query.new_zeros(*query.shape[:2], way) if start is None else self._confident(start.exp())
        points = query
        if self.points == "support and queries":
            own = torch.eye(way).to(query).repeat_interleave(shot, 0)
            labels = torch.cat([own.expand(len(query), -1, -1), labels], dim=1)
            points = torch.cat([support.flatten(1, 2), query], dim=1)
        spread = propagate(affinities(points, self.neighbours), labels, self.alpha)
        found = spread[:, -query.shape[1] :].clamp_min(torch.finfo(spread.dtype).tiny).log()
        if start is None or self.trust == 1:
            return found
        return self.trust * found.log_softmax(-1) + (1 - self.trust) * start

    def _confident(self, probabilities: Tensor) -> Tensor:
        count = round(self.kept * probabilities.shape[1])
        if count == probabilities.shape[1]:
            return probabilities
        best = probabilities.topk(max(1, count), dim=1).indices
        return torch.zeros_like(probabilities).scatter(1, best, probabilities.gather(1, best))


def affinities(points: Tensor, neighbours: int) -> Tensor:
    """W [E, n, n] of the graph of points [E, n, d]; see `LabelPropagation`."""
    similar = cosines(points)
    near = nearest(similar, neighbours)
    squares = (2 - 2 * similar).clamp_min(0)
    scale = (squares * near).sum((1, 2)) / near.sum((1, 2))
    scale = scale.clamp_min(torch.finfo(scale.dtype).tiny)[:, None, None]
    weights = torch.exp(-squares / (2 * scale)) * near
    return (weights + weights.mT) / 2


def propagate(weights: Tensor, labels: Tensor, alpha: float) -> Tensor:
    """(I - alpha D^-1/2 W D^-1/2)^-1 Y [E, n, way] of symmetric weights [E, n, n] and labels Y [E, n, way]."""
    scale = weights.sum(-1).clamp_min(torch.finfo(weights.dtype).tiny).rsqrt()
    system = -alpha * scale[:, :, None] * weights * scale[:, None]
    system.diagonal(dim1=1, dim2=2).add_(1)  # S has eigenvalues in [-1, 1], so this is positive definite
    return torch.cholesky_solve(labels, torch.linalg.cholesky(system))
