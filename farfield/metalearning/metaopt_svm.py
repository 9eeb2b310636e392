"""MetaOptNet with the multi-class support vector machine of Crammer and Singer (JMLR 2001), solved for many
tasks at once and differentiable (Lee et al., arXiv 1904.03758, eq. 8 and 9).

The dual over coefficients A [n, N] of n examples and N classes, with H = K + I, K the Gram matrix of
the examples, Y their one-hot labels and C the regularisation, is

    minimise  1/2 tr(A^T H A) - tr(Y^T A)    subject to  A <= C Y  and  A 1 = 0,

and the logits of a query q are  q X^T A.  With the slack S = C Y - A, multipliers Z >= 0 of the bounds
and v [n] of the equalities, the optimum satisfies

    H A - Y + Z + v 1^T = 0,    A 1 = 0,    S Z = 0 elementwise,    S, Z >= 0.

A primal-dual interior point follows S Z = mu to mu = 0. Each Newton step, and each gradient, needs

    (H + diag(d_m)) a_m + v = r_m  for every class m,    sum_m a_m = 0,    with  d = Z / S.

As a whole that is a system of n (N + 1) unknowns. But classes touch each other through v alone, so
with M_m = (H + diag(d_m))^-1 it falls into

    (sum_m M_m) v = sum_m M_m r_m,    a_m = M_m (r_m - v):

N + 1 Cholesky factors of n x n instead of one of n N x n N. Every example has at least one class
whose bound is inactive, which keeps the sum well-conditioned to the end.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from farfield.backbones.backbone import Backbone
from farfield.errors import InputError
from farfield.metalearning.metaopt import MetaOptNet

CHUNK_BYTES = 128 * 2**20  # of the factors held at once; results do not depend on it
PRECISION = 1e-6  # of the coefficients, relative to C; see `crammer_singer`
STEP = 0.995  # the part of the way to the boundary that a Newton step may go


class MetaOptSVM(MetaOptNet):
    """W = X^T A, A the coefficients of the machine.

    regularisation: C, by default that of the published code. iterations: at most so many Newton steps; the
    published code takes 15 in training and stops after 3 in its tests, here they end where the machine is
    optimal.
    """

    def __init__(
        self,
        backbone: Backbone,
        way: int,
        regularisation: float = 0.1,
        iterations: int = 30,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(backbone, regularisation, label_smoothing)
        if iterations < 1:
            raise InputError(f"iterations must be at least 1, found {iterations}")
        self.iterations = iterations

    def weights(self, points: Tensor, labels: Tensor) -> Tensor:
        kernel = points @ points.mT
        return points.mT @ crammer_singer(kernel, labels, self.regularisation, self.iterations)


def crammer_singer(kernel: Tensor, labels: Tensor, regularisation: float, iterations: int = 30) -> Tensor:
    """The optimal A of E tasks, float64 [E, n, N]; differentiable once in the kernel.

    kernel: K [E, n, n], symmetric and positive semi-definite. labels: one-hot [n, N], those of every
    task. regularisation: C > 0.

    A task is finished when its duality gap is at most n (PRECISION C)^2 / 2: since H is at least the
    identity, A is then within sqrt(2 gap) of the optimum, PRECISION C an example in the root mean
    square. That takes 7 to 20 Newton steps, `iterations` bounds them; where they do not suffice, A is
    feasible but not optimal.
    """
    size, way = labels.shape
    # Three arrays of inverses live side by side in a step.
    chunk = max(1, CHUNK_BYTES // (3 * 8 * way * size**2))
    kernel, labels = kernel.double(), labels.double()
    parts = [_Solution.apply(part, labels, regularisation, iterations) for part in kernel.split(chunk)]
    return torch.cat(parts)


class _Solution(torch.autograd.Function):
    """A at the optimum, with the gradient that the optimality conditions imply.

    A small change dH of H moves A by the step of the system above with r_m = -dH a_m. The system is
    symmetric, so for a gradient G of the loss in A, with V its solution for r = G, the loss moves by
    -tr(V^T dH A).
    """

    @staticmethod
    def forward(ctx: Any, kernel: Tensor, labels: Tensor, regularisation: float, iterations: int) -> Tensor:
        hessian = kernel + torch.eye(kernel.shape[-1]).to(kernel)
        slack, multiplier = _interior_point(hessian, labels.mT, regularisation, iterations)
        coefficients = regularisation * labels - slack.mT
        ctx.save_for_backward(hessian, multiplier / slack, coefficients)
        return coefficients

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        hessian, diagonal, coefficients = ctx.saved_tensors
        implied, _ = _System.factor(hessian, diagonal).solve(gradients[0].mT)
        outer = coefficients @ implied
        return -(outer + outer.mT) / 2, None, None, None


def _interior_point(
    hessian: Tensor, labels: Tensor, regularisation: float, iterations: int
) -> tuple[Tensor, Tensor]:
    """S and Z, both [E, N, n], by Mehrotra's predictor and corrector; class-major, labels [N, n]."""
    way, size = labels.shape
    bound = regularisation * labels
    # Strictly inside from the start: S is C/2 for the true class and C / (2 (N - 1)) for the others, so
    # A 1 = 0, and v leaves every Z above 0. From there S Z sums to the duality gap.
    slack = (bound - regularisation / 2 * (way * labels - 1) / (way - 1)).expand(len(hessian), -1, -1)
    free = labels - (bound - slack) @ hessian  # Z + v
    equality = free.amin(1) - 1
    at = _Point(slack, free - equality[:, None], equality)
    target = size * (PRECISION * regularisation) ** 2 / 2
    for _ in range(iterations):
        gap = at.product.sum((1, 2), keepdim=True)
        running = gap > target
        if not running.any():
            break
        system = _System.factor(hessian, at.multiplier / at.slack)
        # What rounding has left of the two linear conditions is removed along with the rest.
        coefficients = bound - at.slack
        dual = coefficients @ hessian - labels + at.multiplier + at.equality[:, None]
        balance = coefficients.sum(1)
        predictor = _newton(at, system, dual, balance, torch.zeros_like(gap))
        predicted = at.moved(predictor, at.reach(predictor)).product.sum((1, 2), keepdim=True)
        centre = (predicted / gap) ** 3 * gap / (way * size) - predictor.product
        step = _newton(at, system, dual, balance, centre)
        at = at.moved(step, torch.where(running, STEP * at.reach(step), 0).clamp(max=1))
    return at.slack, at.multiplier


@dataclass(frozen=True)
class _Point:
    """S and Z [E, N, n] and v [E, n] of an iterate, or of a direction."""

    slack: Tensor
    multiplier: Tensor
    equality: Tensor

    @property
    def product(self) -> Tensor:
        return self.slack * self.multiplier

    def moved(self, step: "_Point", length: Tensor) -> "_Point":
        return _Point(
            self.slack + length * step.slack,
            self.multiplier + length * step.multiplier,
            self.equality + length[:, 0] * step.equality,
        )

    def reach(self, step: "_Point") -> Tensor:
        """[E, 1, 1]: how far S and Z stay at least 0 along `step`, at most 1 / STEP."""
        lengths = [
            (-value / move).masked_fill(move >= 0, 1 / STEP).amin((1, 2), keepdim=True)
            for value, move in ((self.slack, step.slack), (self.multiplier, step.multiplier))
        ]
        return torch.minimum(*lengths).clamp(max=1 / STEP)


def _newton(at: _Point, system: "_System", dual: Tensor, balance: Tensor, centre: Tensor) -> _Point:
    """The step to S Z = `centre`, to first order, that removes `dual` and `balance`."""
    pull = (centre - at.product) / at.slack
    move, equality = system.solve(-dual - pull, -balance)
    return _Point(-move, pull + at.multiplier / at.slack * move, equality)


@dataclass(frozen=True)
class _System:
    """The Newton system of the module's text: M [E, N, n, n] and the Cholesky factor [E, n, n] of its sum."""

    inverses: Tensor
    coupling: Tensor

    @classmethod
    def factor(cls, hessian: Tensor, diagonal: Tensor) -> "_System":
        shifted = hessian[:, None].repeat(1, diagonal.shape[1], 1, 1)
        shifted.diagonal(dim1=-2, dim2=-1).add_(diagonal)
        # Without the check of `cholesky`, which would wait for an accelerator; K + I is positive.
        inverses = torch.cholesky_inverse(torch.linalg.cholesky_ex(shifted)[0])
        return cls(inverses, torch.linalg.cholesky_ex(inverses.sum(1))[0])

    def solve(self, right: Tensor, total: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """a [E, N, n] that sums over classes to `total` [E, n] (0 if None), and v [E, n]."""
        moved = self._apply(right)
        sums = moved.sum(1) if total is None else moved.sum(1) - total
        turn = torch.cholesky_solve(sums[..., None], self.coupling)[..., 0]
        return moved - self._apply(turn[:, None]), turn

    def _apply(self, right: Tensor) -> Tensor:
        return (self.inverses @ right[..., None])[..., 0]
