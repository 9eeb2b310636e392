"""Multinomial logistic regression for many episodes and penalties at once, on their Gram matrices.

The least of  C * sum of cross-entropies + |W|^2 / 2  has  W^T = X^T A  with coefficients A [n, classes], so all
that is needed of features X is G = X X^T, centred, since the bias has no penalty. The Hessian of a
cross-entropy is never above half of X^T X for every class (Böhning, Ann. Inst. Statist. Math. 1992). A step of
that bound is dA = -(G / 2 + I / C)^-1 Q with the gradient's coefficients Q = R + A / C and residuals R, and with
M = G (G / 2 + I / C)^-1 it is

    dF = -M Q  in logits F = G A,    dA = -C (Q + dF / 2),

one product of [n, n] matrices. Because G's rows sum to zero the bias takes its own step, -2 R^T 1 / n. Nothing is
searched for. Steps are Nesterov's, begun anew where they turn against the gradient (O'Donoghue and Candès, 2015).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Fits:
    """Of P penalties and E episodes. coefficients: [P, E, way, n]. bias: [P, E, way]."""

    coefficients: Tensor
    bias: Tensor

    def heads(self, points: Tensor) -> "LogisticHeads":
        """Weights in the space of the support [E, n, d] that gave the Gram matrices."""
        return LogisticHeads(self.coefficients.movedim(0, 1) @ points[:, None], self.bias.movedim(0, 1))


@dataclass(frozen=True)
class LogisticHeads:
    """weight: [E, P, way, d]. bias: [E, P, way]."""

    weight: Tensor
    bias: Tensor

    def logits(self, query: Tensor) -> Tensor:
        """[E, q, P, way] at query [E, q, d]."""
        flat = query @ self.weight.flatten(1, 2).mT
        return flat.unflatten(-1, self.weight.shape[1:3]) + self.bias[:, None]


def fit(
    gram: Tensor, truth: Tensor, penalties: Sequence[float], steps: int = 300, tolerance: float = 1e-4
) -> Fits:
    """gram: centred, [E, n, n]. truth: one-hot [way, n], the same in all episodes. penalties: inverse ones, C of
    scikit-learn, best from small to large: each begins where the one before it ended. That is where a step moves
    no logit of the support by `tolerance`, or after `steps`."""
    everything = torch.ones(1, gram.shape[-1])
    states = list(_path(gram, truth, penalties, everything, steps, tolerance))
    return Fits(
        torch.stack([state.coefficients[:, 0] for state in states]),
        torch.stack([state.bias[:, 0, :, 0] for state in states]),
    )


def left_out_losses(
    gram: Tensor,
    truth: Tensor,
    penalties: Sequence[float],
    parts: Tensor,
    steps: int = 300,
    tolerance: float = 1e-4,
) -> Tensor:
    """[P, E]: the mean cross-entropy of images that each fit left out. parts: int [n], which fit leaves out
    each. All other arguments as of `fit`."""
    left_out = parts == torch.arange(int(parts.max()) + 1)[:, None]  # [folds, n]
    counted = left_out[:, None] * truth
    losses = []
    for state in _path(gram, truth, penalties, (~left_out).float(), steps, tolerance):
        log_probabilities = (state.logits + state.bias).log_softmax(2)
        losses.append(-(log_probabilities * counted.to(gram)).sum((1, 2, 3)) / len(parts))
    return torch.stack(losses)


@dataclass(frozen=True)
class _State:
    """coefficients and logits without the bias: [E, folds, way, n]. bias: [E, folds, way, 1]."""

    coefficients: Tensor
    logits: Tensor
    bias: Tensor


def _path(
    gram: Tensor, truth: Tensor, penalties: Sequence[float], used: Tensor, steps: int, tolerance: float
) -> Iterator[_State]:
    """Fits that use the images `used` [folds, n] alone, penalty by penalty."""
    zeros = gram.new_zeros(len(gram), len(used), *truth.shape)
    state = _State(zeros, zeros, zeros[..., :1])
    for penalty in penalties:
        state = _descend(gram, truth.to(gram), penalty, used.to(gram)[:, None], state, steps, tolerance)
        yield state


def _descend(
    gram: Tensor, truth: Tensor, penalty: float, used: Tensor, start: _State, steps: int, tolerance: float
) -> _State:
    n = gram.shape[-1]
    eye = torch.eye(n, dtype=torch.float64, device=gram.device)
    # In double precision: what is left of I - (G / 2 + I / C)^-1 / C is small along the short axes of G.
    factor = torch.linalg.cholesky(gram.double() / 2 + eye / penalty)
    bound = (2 * (eye - torch.cholesky_inverse(factor) / penalty)).to(gram)
    # Classes stand before images: softmax over a last dimension of five is slow.
    coefficients = ahead = start.coefficients
    logits = logits_ahead = start.logits
    bias = bias_ahead = start.bias
    momentum = gram.new_ones(*ahead.shape[:2], 1, 1)
    for _ in range(steps):
        residual = (logits_ahead + bias_ahead).softmax(2).sub_(truth).mul_(used)
        slope = torch.add(residual, ahead, alpha=1 / penalty)
        move = (slope.flatten(1, 2) @ bound).view_as(slope)
        bias_slope = residual.sum(3, keepdim=True)
        moved = ahead - penalty * (slope - move / 2)
        logits_moved = logits_ahead - move
        bias_moved = bias_ahead - bias_slope * (2 / n)
        gain, bias_gain = logits_moved - logits, bias_moved - bias
        turned = (slope * gain).sum((2, 3), keepdim=True) + (bias_slope * bias_gain).sum((2, 3), keepdim=True)
        following = (1 + (1 + 4 * momentum.square()).sqrt()) / 2
        push = torch.where(turned > 0, 0.0, (momentum - 1) / following)
        momentum = torch.where(turned > 0, 1.0, following)
        ahead = torch.addcmul(moved, push, moved - coefficients)
        logits_ahead = torch.addcmul(logits_moved, push, gain)
        bias_ahead = torch.addcmul(bias_moved, push, bias_gain)
        coefficients, logits, bias = moved, logits_moved, bias_moved
        if max(move.abs().max(), bias_slope.abs().max() * (2 / n)) < tolerance:
            break
    return _State(coefficients, logits, bias)
