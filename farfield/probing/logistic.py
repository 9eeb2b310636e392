"""Multinomial logistic regression on features, for many penalties and many parts of the data at once.

The Hessian of the loss is never above that of a quadratic that does not depend on the weights: half of X'X for
every class (Böhning, "Multinomial Logistic Regression Algorithm", Ann. Inst. Statist. Math. 1992). In the basis
of X's singular vectors that is a diagonal, so a step is a division, nothing is searched for, and every problem
(a penalty, a part of the images) takes the same two products of matrices. Steps are Nesterov's, begun anew
where they turn against the gradient (O'Donoghue and Candès, 2015). A penalty of squared weights does not see a
rotation, so the basis may come from all images: nothing of a left-out image's label, or of where it lies,
reaches a fit that leaves it out. Where fewer axes are kept than there are, it has a part in which, as one of many
images, and its label has none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

# Inverse penalties, as scikit-learn's C, of which predictions are averaged: none is chosen.
PENALTIES = (1.0, 10.0, 100.0)


@dataclass(frozen=True)
class Basis:
    """coordinates: [n, r] of the images. mean: [d] and axes: [d, r], so that they are (X - mean) @ axes."""

    coordinates: Tensor
    mean: Tensor
    axes: Tensor

    @property
    def scale(self) -> Tensor:
        """[r], the squared length of each column of the coordinates."""
        return self.coordinates.square().sum(0)


def basis(features: Tensor, most: int | None = None) -> Basis:
    """Singular basis of centred features [n, d], in double precision where it is found. most: axes, those of the
    largest singular values; none: all."""
    wide = features.double()
    mean = wide.mean(0)
    centred = wide - mean
    n, d = centred.shape
    if n <= d:
        values, vectors = torch.linalg.eigh(centred @ centred.T)
        kept = _kept(values, most)
        lengths = values[kept].sqrt()
        axes = centred.T @ (vectors[:, kept] / lengths)
    else:
        values, axes = torch.linalg.eigh(centred.T @ centred)
        axes = axes[:, _kept(values, most)]
    return Basis((centred @ axes).float(), mean.float(), axes.float())


def _kept(values: Tensor, most: int | None) -> slice:
    """Of ascending values, those that are not rounding alone, and at most the last `most`."""
    first = int((values <= values[-1] * 1e-10).sum())
    return slice(first if most is None else max(first, len(values) - most), None)


@dataclass(frozen=True)
class Fits:
    """B fits of K classes in a basis of r axes. weight: [B, r, K]. bias: [B, K]."""

    weight: Tensor
    bias: Tensor

    def logits(self, coordinates: Tensor) -> Tensor:
        """[B, n, K] of coordinates [n, r]."""
        return coordinates @ self.weight + self.bias[:, None]


def fit(
    found: Basis,
    labels: Tensor,
    classes: int,
    used: Tensor,
    inverse_penalties: Sequence[float],
    steps: int = 120,
) -> Fits:
    """For all parts and penalties, the least of C * sum of cross-entropies + half of the squared weights.

    labels: int64 [n]. used: float [parts, n], the weight of each image in each part, mostly 0 or 1.
    Fits stand part by part, penalty by penalty within. The bias has no penalty.
    """
    axes = found.coordinates.T.contiguous()
    count, n = len(inverse_penalties), len(found.coordinates)
    # [n, B, 1], [1, B, 1], [r, B, 1]: problems stand beside the classes, so that a step is two large products
    weights = used.repeat_interleave(count, 0).T.contiguous()[:, :, None]
    decay = 1 / torch.tensor(list(inverse_penalties)).repeat(len(used))[None, :, None]
    bound = 0.5 * weights.amax(0)[None] * found.scale[:, None, None] + decay
    bias_bound = 0.5 * weights.sum(0)
    truth = F.one_hot(labels, classes).float()[:, None]
    weight = ahead = torch.zeros(len(axes), len(bias_bound), classes)
    bias = bias_ahead = torch.zeros(len(bias_bound), classes)
    momentum = torch.ones(len(bias_bound))
    for _ in range(steps):
        wrong = (found.coordinates @ ahead.flatten(1)).view(n, -1, classes).add_(bias_ahead).softmax(-1)
        wrong.sub_(truth).mul_(weights)
        slope = (axes @ wrong.flatten(1)).view_as(ahead) + decay * ahead
        moved = ahead - slope / bound
        bias_moved = bias_ahead - wrong.sum(0) / bias_bound
        turned = ((ahead - moved) * (moved - weight) * bound).sum((0, 2)) > 0
        following = (1 + (1 + 4 * momentum.square()).sqrt()) / 2
        push = torch.where(turned, 0.0, (momentum - 1) / following)
        momentum = torch.where(turned, 1.0, following)
        ahead = moved + push[:, None] * (moved - weight)
        bias_ahead = bias_moved + push[:, None] * (bias_moved - bias)
        weight, bias = moved, bias_moved
    return Fits(weight.movedim(1, 0).contiguous(), bias)


def averaged(fits: Fits, penalties: int) -> Fits:
    """One fit a part: the mean of those of its penalties. Its logits are, but for a constant of each image, the
    mean of their log-probabilities, so the ensemble over penalties is a linear classifier itself."""
    return Fits(
        fits.weight.unflatten(0, (-1, penalties)).mean(1), fits.bias.unflatten(0, (-1, penalties)).mean(1)
    )
