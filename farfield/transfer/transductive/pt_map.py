"""PT-MAP: power transform, optimal transport to prototypes, and prototypes moved by it, in turn (Hu et al.,
"Leveraging the Feature Distribution in Transfer-based Few-Shot Learning", ICANN 2021, arXiv 2006.03806)."""

import torch
from torch import Tensor

from farfield.settings import AboveZero, NotNegative, Positive, Probability, keyword_settings
from farfield.transfer.blocks import unit
from farfield.transfer.transductive.head import TransductiveHead, soft_means, squared_distances

SMALLEST = 1e-6  # added before the power, whose slope at 0 is infinite


@keyword_settings
class PTMAP(TransductiveHead):
    """Log-assignments [E, Q, way] after `rounds` of: assign queries to prototypes by `sinkhorn` of
    exp(-sharpness ||x - p||^2), and move each prototype by `rate` of the way to the mean of its support and of
    what it was assigned. Features are max(x, 0)^power, of unit length, centred, and of unit length again.

    start: the assignments of the first round; None: those of the support means.
    balanced: assignments give each class Q / way queries, and support and queries are centred each on its own
    mean: it assumes balanced queries exactly. Without it, assignments are softmax(-sharpness ||x - p||^2) of each
    query, and both are centred on the mean of the support, of which each class has the same share: nothing is
    assumed of how frequent classes are.
    """

    power: AboveZero = 0.5
    sharpness: AboveZero = 10.0
    rate: Probability = 0.2
    rounds: NotNegative = 10
    balanced: bool = True
    transport_steps: Positive = 50

    def __call__(self, support: Tensor, query: Tensor, start: Tensor | None = None) -> Tensor:
        support, query = (unit((x.relu() + SMALLEST) ** self.power) for x in (support, query))
        centre = support.mean((1, 2))[:, None]
        support = unit(support - centre[:, None])
        query = unit(query - (query.mean(1, keepdim=True) if self.balanced else centre))
        prototypes = support.mean(2)
        assigned = self._assigned(query, prototypes) if start is None else start
        for _ in range(self.rounds):
            prototypes = prototypes.lerp(soft_means(support, query, assigned.exp()), self.rate)
            assigned = self._assigned(query, prototypes)
        return assigned

    def _assigned(self, query: Tensor, prototypes: Tensor) -> Tensor:
        evidence = -self.sharpness * squared_distances(query, prototypes)
        return sinkhorn(evidence, self.transport_steps) if self.balanced else evidence.log_softmax(-1)


def sinkhorn(scores: Tensor, steps: int) -> Tensor:
    """log P [E, Q, way]: P = diag(u) exp(scores) diag(v) with rows that sum to 1 and columns to Q / way, as
    nearly as `steps` rounds of Sinkhorn and Knopp come.

    Always the same number of rounds, so that an episode is answered alike whatever it is batched with.
    """
    kernel = (scores - scores.amax(-1, keepdim=True)).exp()
    column = scores.new_ones(len(scores), 1, scores.shape[2])
    share = scores.shape[1] / scores.shape[2]
    for _ in range(steps):
        # The last factor is that of columns: rows then sum to 1 only nearly, which no comparison of classes sees.
        row = 1 / (kernel * column).sum(-1, keepdim=True)
        column = share / (kernel * row).sum(1, keepdim=True)
    return (kernel * row * column).clamp_min(torch.finfo(kernel.dtype).tiny).log()
