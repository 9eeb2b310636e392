"""The one interface of few-shot classification, batched over episodes by contract."""

from typing import Protocol

from torch import Tensor


class Learner(Protocol):
    """Learns from the support of E episodes and scores their queries.

    support [E, way, shot, ...] and query [E, way * queries, ...] hold images or feature vectors; the
    learner says which. Returns logits [E, way * queries, way]. `first` is the number of the first of
    these episodes in its list, which keys whatever the learner draws at random for each of them.
    """

    def __call__(self, support: Tensor, query: Tensor, first: int = 0) -> Tensor: ...
