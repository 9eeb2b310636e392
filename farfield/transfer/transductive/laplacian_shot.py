"""LaplacianShot: neighbouring queries are given the same class (Ziko et al., "Laplacian Regularized Few-Shot
Learning", ICML 2020, arXiv 2006.15486)."""

from torch import Tensor

from farfield.settings import AtLeastZero, NotNegative, Positive, keyword_settings
from farfield.transfer.blocks import unit
from farfield.transfer.transductive.bd_cspn import rectified, shift
from farfield.transfer.transductive.head import TransductiveHead, cosines, nearest, squared_distances


@keyword_settings
class LaplacianShot(TransductiveHead):
    """Log-assignments log y [E, Q, way], by steps of the paper's bound on

        sum_q y_q . (a_q + log y_q) - weight / 2 sum_qp w_qp y_q . y_p,

    each y_q = softmax(-a_q + weight sum_p w_qp y_p), from y_q = softmax(-a_q). a_q holds the squared distances of
    unit vectors to the prototypes; or -`start`, if that is given. w_qp is 1 if each of two queries is among the
    `neighbours` nearest to the other, and 1/2 if one is: the objective sees no more of any graph than this.

    rectified: prototypes and queries as in BD-CSPN, at temperature 10, whose shift assumes balanced queries; else
    prototypes are support means, and nothing is assumed of how frequent classes are. It has no part in a `start`.
    """

    neighbours: Positive = 3
    weight: AtLeastZero = 0.7
    steps: NotNegative = 20
    rectified: bool = True

    def __call__(self, support: Tensor, query: Tensor, start: Tensor | None = None) -> Tensor:
        support, query = unit(support), unit(query)
        if start is not None:
            evidence = start
        elif self.rectified:
            move = shift(support, query)
            prototypes = rectified(support, query, temperature=10.0, move=move)
            evidence = -squared_distances(query, prototypes - move)
        else:
            evidence = -squared_distances(query, support.mean(2))
        near = nearest(cosines(query), self.neighbours).to(query)
        graph = self.weight * (near + near.mT) / 2
        assigned = evidence.log_softmax(-1)
        for _ in range(self.steps):
            assigned = (evidence + graph @ assigned.exp()).log_softmax(-1)
        return assigned
