"""MetaOptNet with ridge regression on the support, in closed form and differentiable (R2-D2, Bertinetto et al.,
arXiv 1805.08136, eq. 4; the ridge head of MetaOptNet, arXiv 1904.03758)."""

import torch
from torch import Tensor

from farfield.backbones.backbone import Backbone
from farfield.metalearning.metaopt import MetaOptNet


class MetaOptRidge(MetaOptNet):
    """W = 2 X^T (X X^T + lambda I)^-1 Y. The published quadratic programme doubles its linear term, hence the 2,
    kept so that a scale of 1 means the same.

    regularisation: lambda, by default that of the published code.
    """

    def __init__(
        self, backbone: Backbone, way: int, regularisation: float = 50.0, label_smoothing: float = 0.0
    ) -> None:
        super().__init__(backbone, regularisation, label_smoothing)

    def weights(self, points: Tensor, labels: Tensor) -> Tensor:
        return 2 * ridge_regression(points, labels[None], self.regularisation)


def ridge_regression(points: Tensor, targets: Tensor, penalty: float | Tensor) -> Tensor:
    """W [E, d, N] that minimises |X W - Y|^2 + penalty |W|^2 in each of E tasks.

    points: X [E, n, d]. targets: Y [E or 1, n, N]. penalty: above 0. By the identity
    (X^T X + penalty I)^-1 X^T = X^T (X X^T + penalty I)^-1 the system solved is the smaller one.
    """
    count, dim = points.shape[1:]
    if count <= dim:
        return points.mT @ _solve(points @ points.mT, targets, penalty)
    return _solve(points.mT @ points, points.mT @ targets, penalty)


def _solve(gram: Tensor, right: Tensor, penalty: float | Tensor) -> Tensor:
    """(gram + penalty I)^-1 right, by Cholesky; NaN stays NaN instead of an error that halts a device."""
    shifted = gram + penalty * torch.eye(gram.shape[-1]).to(gram)
    return torch.cholesky_solve(right, torch.linalg.cholesky_ex(shifted)[0])
