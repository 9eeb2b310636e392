"""Ridge regression on class indicators, each episode's penalty by its leave-one-out error in closed form.

With features centred on the support and K = X X^T = V w V^T, found once, every penalty l costs a product:
G = V (w + l)^-1 V^T, coefficients A = G Y of the centred indicators Y, and leaving image i out changes its
residual l A_i to  l A_i / (l G_ii - 1 / n), where 1 / n is the part of the mean that image i had.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from farfield.settings import keyword_settings
from farfield.transfer.blocks import BlockLearner, Normalisation, View, view

# Times the mean eigenvalue of K.
PENALTIES = tuple(10.0 ** (exponent / 2 - 4) for exponent in range(15))


@dataclass(frozen=True)
class FittedRidge:
    """weight: [E, d, way], for what the view makes of queries. penalties: [E], what was chosen."""

    view: View
    weight: Tensor
    penalties: Tensor


@keyword_settings
class Ridge(BlockLearner[FittedRidge]):
    """Least squares to one-hot targets with a free bias; of 15 penalties the one of the least squared error of
    images left out."""

    normalisation: Normalisation = "root"

    def fit(self, support: Sequence[Tensor], first: int = 0) -> FittedRidge:
        way, shot = support[0].shape[1:3]
        seen, points = view(support, self.normalisation)
        wide = points.double()
        targets = (
            torch.eye(way, dtype=torch.float64, device=points.device).repeat_interleave(shot, 0) - 1 / way
        )
        coefficients, penalties = fit_ridge(wide @ wide.mT, targets)
        return FittedRidge(seen, points.mT @ coefficients.to(points), penalties)

    def scores(self, fitted: FittedRidge, query: Sequence[Tensor]) -> Tensor:
        return fitted.view.of(query) @ fitted.weight + 1 / fitted.weight.shape[-1]


def fit_ridge(gram: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Coefficients [E, n, way] and penalties [E] for centred Gram matrices [E, n, n] and centred targets
    [n, way], in double precision."""
    n = gram.shape[-1]
    values, vectors = torch.linalg.eigh(gram)
    values = values.clamp_min(0)
    scale = values.mean(-1)
    turned = vectors.mT @ targets  # [E, n, way]
    best = torch.full_like(scale, torch.inf)
    coefficients, chosen = torch.zeros_like(turned), torch.zeros_like(scale)
    for factor in PENALTIES:
        penalty = (factor * scale)[:, None]
        shrunk = penalty / (values + penalty)  # of l G
        residual = vectors @ (shrunk[..., None] * turned)
        kept = (vectors.square() @ shrunk[..., None]) - 1 / n
        loss = (residual / kept).square().sum((1, 2))
        better = loss < best
        best = torch.where(better, loss, best)
        chosen = torch.where(better, penalty[:, 0], chosen)
        coefficients = torch.where(better[:, None, None], residual / penalty[..., None], coefficients)
    return coefficients, chosen
