"""A linear head on frozen features, trained on all episodes at once.

This is the row `Fixed` of BSCD-FSL (arXiv 1912.07200): Linear(d, way) with PyTorch's default
initialisation, 100 epochs of SGD on minibatches of 4, lr 0.01, momentum 0.9, dampening 0.9, weight
decay 0.001. The recurrence is followed exactly, step by step; only the place where it runs differs.

A step moves W [way, d] by a combination of support features, and weight decay scales it. So at any
time  W^T = c W0^T + S^T A  with a scalar c, the support S [n, d] and coefficients A [n, way]; the
momentum buffer has the same form. Logits of support images are  c S W0^T + G A  with the Gram matrix
G = S S^T, computed once. A step then costs n instead of d multiplications a logit (25 against 512 at
5 shots) and never touches the features. Where d is below n the same steps run on W itself, with S in
the place of G. Either way one batched product serves all episodes.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from farfield.episodes.minibatches import affordable_epochs, minibatch_orders, minibatches
from farfield.seeds import stream
from farfield.settings import AboveZero, AtLeastZero, NotNegative, Positive, keyword_settings
from farfield.training.recipe import SGD
from farfield.transfer.learner import AllImages, Head, Learner

# Of a classifier of all images; a step takes half a millisecond.
EXPORT_STEPS = 30_000


@keyword_settings
class HeadTraining(SGD):
    """Minibatch SGD on a linear head; the defaults are those of BSCD-FSL's released code."""

    epochs: NotNegative = 100
    batch_size: Positive = 4
    learning_rate: AboveZero = 0.01
    momentum: AtLeastZero = 0.9
    dampening: AtLeastZero = 0.9
    weight_decay: AtLeastZero = 0.001


@dataclass(frozen=True)
class FittedHeads:
    """heads: one an episode. points [E, n, d] and weight [E, way, d]: the support and the initial weights that
    they are written in, None if the heads are written out."""

    heads: "Heads"
    points: Tensor | None = None
    weight: Tensor | None = None


@keyword_settings
class LinearHead(HeadTraining, Learner[Tensor, FittedHeads]):
    """Learner on feature vectors: one linear classifier an episode, by exact minibatch SGD."""

    seed: int
    exportable: ClassVar[bool] = True

    def fit(self, support: Tensor, first: int = 0) -> FittedHeads:
        episodes, way, shot, dim = support.shape
        images = way * shot
        points = support.flatten(1, 2)
        weight, bias = (w.to(support) for w in initial_heads(self.seed, episodes, way, dim, first))
        orders = torch.from_numpy(minibatch_orders(self.seed, episodes, self.epochs, images, first))
        targets = support_targets(way, shot)
        if dim < images:
            heads = Heads(0.0, weight.mT.contiguous(), bias)
            _descend(heads, points, None, targets, orders, self)
            return FittedHeads(heads)
        heads = fit_gram(points @ points.mT, points @ weight.mT, bias, targets, orders, self)
        return FittedHeads(heads, points, weight)

    def scores(self, fitted: FittedHeads, query: Tensor) -> Tensor:
        if fitted.points is None or fitted.weight is None:
            return fitted.heads.logits(query)
        return fitted.heads.logits(query @ fitted.points.mT, query @ fitted.weight.mT)

    def export(self, images: AllImages) -> tuple[Head, dict[str, Any]]:
        """One head by torch's SGD, as in episode 0 with all images as its support."""
        features, count = images.features(), len(images.labels)
        epochs = affordable_epochs(self.epochs, count, self.batch_size, EXPORT_STEPS)
        weight, bias = (
            part[0].to(features) for part in initial_heads(self.seed, 1, images.classes, features.shape[1])
        )
        weight, bias = weight.requires_grad_(), bias[0].clone().requires_grad_()
        optimizer = torch.optim.SGD(
            [weight, bias],
            lr=self.learning_rate,
            momentum=self.momentum,
            dampening=self.dampening,
            weight_decay=self.weight_decay,
        )
        targets = torch.from_numpy(images.labels).long().to(features.device)
        for batch in minibatches(self.seed, epochs, count, self.batch_size, "fitting the head"):
            rows = torch.from_numpy(batch).to(features.device)
            optimizer.zero_grad()
            F.cross_entropy(F.linear(features[rows], weight, bias), targets[rows]).backward()
            optimizer.step()
        facts = {"epochs": epochs, "epochs_in_episodes": self.epochs}
        return Head(weight.detach(), bias.detach()), facts


@dataclass
class Heads:
    """H linear heads, W^T = c W0^T + S^T A: scale c, coefficients A [H, n, way], bias [H, 1, way].

    In the form that runs on W itself, c is 0 and the coefficients are W^T [H, d, way].
    """

    scale: float
    coefficients: Tensor
    bias: Tensor

    def logits(self, kernel: Tensor, initial: Tensor | None = None) -> Tensor:
        """[H, q, way] at q points X: kernel = X S^T [H, q, n] and initial = X W0^T [H, q, way]."""
        logits = torch.baddbmm(self.bias, kernel, self.coefficients)
        return logits if initial is None else logits.add_(initial, alpha=self.scale)


def fit_gram(
    gram: Tensor, initial: Tensor, bias: Tensor, targets: Tensor, orders: Tensor, training: HeadTraining
) -> Heads:
    """Train H heads given nothing of their features but Gram matrices.

    gram = S S^T [H, n, n], initial = S W0^T [H, n, way] without the initial bias [H, 1, way], the
    classes `targets` [n] that all heads share, and the visits `orders` [H, epochs, n]. Heads on
    features of any width train together; the Gram matrix of concatenated features is a sum of Gram
    matrices, and so are the initial logits.
    """
    heads = Heads(1.0, torch.zeros_like(initial), bias.clone())
    _descend(heads, gram, initial, targets, orders, training)
    return heads


def support_targets(way: int, shot: int) -> Tensor:
    """int64 [way * shot]: the class of each support image, all images of a class in a row."""
    return torch.arange(way).repeat_interleave(shot)


def _descend(
    heads: Heads,
    rows: Tensor,
    initial: Tensor | None,
    targets: Tensor,
    orders: Tensor,
    training: HeadTraining,
) -> None:
    """SGD on `heads`, in place, in the order `orders` [H, epochs, n].

    rows [H, n, r] times coefficients [H, r, way] are the logits of the support. Without `initial`
    rows are the features themselves; with it, the initial logits [H, n, way], rows are the Gram
    matrix and the gradient touches the minibatch's coefficients alone.
    """
    count, images, width = rows.shape
    way = heads.bias.shape[2]
    truth = F.one_hot(targets, way).to(rows)
    orders = orders.to(rows.device)
    # Whole rows of one flat table: index_select copies them, many times faster than gather.
    table = rows.flatten(0, 1)
    starts = images * torch.arange(count, device=rows.device)[:, None]
    buffer = Heads(0.0, torch.zeros_like(heads.coefficients), torch.zeros_like(heads.bias))
    # PyTorch's rule: the first step takes the gradient undamped.
    keep, fresh = 0.0, 1.0
    for epoch in range(training.epochs):
        order = orders[:, epoch]
        truths = truth[order].split(training.batch_size, dim=1)
        batches = order.split(training.batch_size, dim=1)
        for batch, true in zip(batches, truths, strict=True):
            size = batch.shape[1]
            places = (batch + starts).flatten()
            kernel = table.index_select(0, places).view(count, size, width)
            begin = heads.bias
            if initial is not None:
                begin = initial.flatten(0, 1).index_select(0, places).view(count, size, way)
                begin = begin.mul_(heads.scale).add_(heads.bias)
            logits = torch.baddbmm(begin, kernel, heads.coefficients)
            # Classes first: softmax over a last dimension of five is slow.
            probabilities = logits.permute(2, 0, 1).softmax(0).permute(1, 2, 0)
            residual = (probabilities - true).div_(size)
            decay = fresh * training.weight_decay
            if initial is None:
                buffer.coefficients.baddbmm_(kernel.mT, residual, beta=keep, alpha=fresh)
            else:
                buffer.coefficients.mul_(keep)
                index = batch[..., None].expand(-1, -1, way)
                buffer.coefficients.scatter_add_(1, index, fresh * residual)
            buffer.coefficients.add_(heads.coefficients, alpha=decay)
            buffer.bias.mul_(keep).add_(heads.bias, alpha=decay)
            buffer.bias.add_(residual.sum(1, keepdim=True), alpha=fresh)
            buffer.scale = keep * buffer.scale + decay * heads.scale
            heads.coefficients.sub_(buffer.coefficients, alpha=training.learning_rate)
            heads.bias.sub_(buffer.bias, alpha=training.learning_rate)
            heads.scale -= training.learning_rate * buffer.scale
            # Without momentum torch keeps no buffer and does not damp.
            keep, fresh = training.momentum, 1 - training.dampening if training.momentum else 1.0


def initial_heads(seed: int, episodes: int, way: int, dim: int, first: int = 0) -> tuple[Tensor, Tensor]:
    """PyTorch's default Linear(dim, way) for each episode: weight [E, way, dim], bias [E, 1, way].

    Both are uniform in +-1/sqrt(dim); each episode has its own stream.
    """
    draws = np.stack(
        [stream(seed, "head", way, dim, first + e).uniform(-1, 1, (way, dim + 1)) for e in range(episodes)]
    ) / np.sqrt(dim)
    values = torch.from_numpy(draws.astype(np.float32))
    return values[..., :dim].contiguous(), values[..., dim][:, None].contiguous()
