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

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from farfield.episodes.minibatches import minibatch_orders
from farfield.errors import InputError
from farfield.seeds import stream


@dataclass(frozen=True)
class LinearHead:
    """Learner on feature vectors: one linear classifier an episode, by exact minibatch SGD."""

    seed: int
    epochs: int = 100
    batch_size: int = 4
    learning_rate: float = 0.01
    momentum: float = 0.9
    dampening: float = 0.9
    weight_decay: float = 0.001

    def __post_init__(self) -> None:
        for name, least in (("epochs", 0), ("batch_size", 1), ("momentum", 0), ("weight_decay", 0)):
            value = getattr(self, name)
            if not isinstance(value, int | float) or value < least:
                raise InputError(f"{name} must be a number of at least {least}, found {value!r}")
        if not isinstance(self.learning_rate, int | float) or self.learning_rate <= 0:
            raise InputError(f"learning_rate must be a number above 0, found {self.learning_rate!r}")

    def __call__(self, support: Tensor, query: Tensor, first: int = 0) -> Tensor:
        episodes, way, shot, dim = support.shape
        images = way * shot
        points = support.reshape(episodes, images, dim)
        weight, bias = (w.to(support) for w in initial_heads(self.seed, episodes, way, dim, first))
        orders = torch.from_numpy(minibatch_orders(self.seed, episodes, self.epochs, images, first))
        orders = orders.to(support.device)
        if dim < images:
            start = _Head(0.0, weight.mT.contiguous(), bias)
            head = self._fit(points, None, start, orders)
            return query @ head.coefficients + head.bias
        start = _Head(1.0, points.new_zeros(episodes, images, way), bias)
        head = self._fit(points @ points.mT, points @ weight.mT, start, orders)
        return head.scale * (query @ weight.mT) + (query @ points.mT) @ head.coefficients + head.bias

    def _fit(self, rows: Tensor, initial: Tensor | None, head: "_Head", orders: Tensor) -> "_Head":
        """SGD on `head` in the order `orders` [E, epochs, n].

        rows [E, n, r] times coefficients [E, r, way] are the logits of the support. Without `initial`
        rows are the features themselves; with it, the initial logits [E, n, way], rows are the Gram
        matrix and the gradient touches the minibatch's coefficients alone.
        """
        images, width, way = orders.shape[2], rows.shape[2], head.bias.shape[2]
        # Way-major images: image i of the support belongs to way i // shot.
        target = torch.arange(way, device=rows.device).repeat_interleave(images // way)
        truth = F.one_hot(target, way).to(rows)
        buffer = _Head(0.0, torch.zeros_like(head.coefficients), torch.zeros_like(head.bias))
        # PyTorch's rule: the first step takes the gradient undamped.
        keep, fresh = 0.0, 1.0
        for epoch in range(self.epochs):
            for batch in orders[:, epoch].split(self.batch_size, dim=1):
                index = batch[..., None]  # [E, b, 1]
                kernel = rows.gather(1, index.expand(-1, -1, width))
                if initial is None:
                    logits = torch.baddbmm(head.bias, kernel, head.coefficients)
                else:
                    begin = initial.gather(1, index.expand(-1, -1, way)).mul_(head.scale).add_(head.bias)
                    logits = torch.baddbmm(begin, kernel, head.coefficients)
                residual = (logits.softmax(-1) - truth[batch]) / batch.shape[1]
                decay = fresh * self.weight_decay
                if initial is None:
                    buffer.coefficients.baddbmm_(kernel.mT, residual, beta=keep, alpha=fresh)
                else:
                    buffer.coefficients.mul_(keep)
                    buffer.coefficients.scatter_add_(1, index.expand(-1, -1, way), fresh * residual)
                buffer.coefficients.add_(head.coefficients, alpha=decay)
                buffer.bias.mul_(keep).add_(head.bias, alpha=decay)
                buffer.bias.add_(residual.sum(1, keepdim=True), alpha=fresh)
                buffer.scale = keep * buffer.scale + decay * head.scale
                head.coefficients.sub_(buffer.coefficients, alpha=self.learning_rate)
                head.bias.sub_(buffer.bias, alpha=self.learning_rate)
                head.scale -= self.learning_rate * buffer.scale
                # Without momentum torch keeps no buffer and does not damp.
                keep, fresh = self.momentum, 1 - self.dampening if self.momentum else 1.0
        return head


@dataclass
class _Head:
    """scale c, coefficients A [E, n, way] (or W^T [E, d, way]) and bias [E, 1, way]."""

    scale: float
    coefficients: Tensor
    bias: Tensor


def initial_heads(seed: int, episodes: int, way: int, dim: int, first: int = 0) -> tuple[Tensor, Tensor]:
    """PyTorch's default Linear(dim, way) for each episode: weight [E, way, dim], bias [E, 1, way].

    Both are uniform in +-1/sqrt(dim); each episode has its own stream.
    """
    draws = np.stack(
        [stream(seed, "head", way, dim, first + e).uniform(-1, 1, (way, dim + 1)) for e in range(episodes)]
    ) / np.sqrt(dim)
    values = torch.from_numpy(draws.astype(np.float32))
    return values[..., :dim].contiguous(), values[..., dim][:, None].contiguous()
