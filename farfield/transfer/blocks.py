"""What heads on frozen features see beside a network's last features, and how it is made comparable.

A network says something of an image after every stage, and far from natural images its earlier stages often
say more than its last. So these learners take several blocks of numbers of each image: what the network
returns, and the average over positions of the map after each of its last stages.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from farfield.settings import NotNegative, keyword_settings
from farfield.transfer.learner import Fitted, Learner

# Of blocks of a few episodes, which stay in the processor's cache through all that is made of them.
CHUNK_BYTES = 2**23

Normalisation = Literal["raw", "unit", "root"]


@keyword_settings
class BlockLearner(Learner[Sequence[Tensor], Fitted]):
    """Learner on blocks: support [E, way, shot, d_b] and query [E, way * queries, d_b] of each block b.

    stages: how many of the network's last stages are seen beside its features. A stage whose average is the
    features themselves is one block. Nothing is drawn: `seed` has no effect.
    """

    seed: int = 0
    stages: NotNegative = 3


def block_columns(columns: Mapping[str, Sequence[int]], stages: int) -> list[tuple[int, int]]:
    """(first, last + 1) of each block among stored `columns`, which are those of `feature_columns`."""
    held = [tuple(place) for name, place in columns.items() if name != "features"]
    taken = dict.fromkeys([*held[max(0, len(held) - stages) :], tuple(columns["features"])])
    return [(first, end) for first, end in taken]


def reading(
    learner: Learner[Any, Any], columns: Mapping[str, Sequence[int]]
) -> tuple[slice, Callable[[Tensor, Tensor, int], Tensor]]:
    """Which of a network's stored `columns`, those of `feature_columns`, a learner reads, and what classifies
    with them as `farfield.episodes.evaluation.evaluate` asks."""
    if not isinstance(learner, BlockLearner):
        return slice(*columns["features"]), learner
    places = block_columns(columns, learner.stages)
    widths = [end - first for first, end in places]

    def classify(support: Tensor, query: Tensor, first: int) -> Tensor:
        step = max(1, CHUNK_BYTES // (query[0].nbytes + support[0].nbytes))
        parts = [
            learner(
                support[start : start + step].split(widths, -1),
                query[start : start + step].split(widths, -1),
                first + start,
            )
            for start in range(0, len(support), step)
        ]
        return torch.cat(parts)

    return slice(places[0][0], places[-1][1]), classify


def over_views(
    classify: Callable[[Tensor, Tensor, int], Tensor],
) -> Callable[[Tensor, Tensor, int], Tensor]:
    """What classifies images of which V views were embedded, support [E, way, shot, V, d] and query [E, Q, V, d],
    by what classifies single ones: every view of a support image is one more image of its class, and the answer
    [E, Q, way] is the mean of the log-probabilities of a query's views."""

    def of_views(support: Tensor, query: Tensor, first: int) -> Tensor:
        logits = classify(support.flatten(2, 3), query.flatten(1, 2), first)
        return logits.log_softmax(-1).unflatten(1, query.shape[1:3]).mean(2)

    return of_views


def root(values: Tensor) -> Tensor:
    """Signed square roots, which tame the long tails of pooled activations."""
    return values.sign() * values.abs().sqrt()


def unit(values: Tensor) -> Tensor:
    """Vectors [..., d] of length one."""
    return F.normalize(values, dim=-1)


@dataclass(frozen=True)
class View:
    """How blocks of E episodes are seen: centred on the support, one beside the other.

    Each block by itself, so that none counts for more because its numbers are larger. raw: as it is, divided by
    the mean length of the centred support. unit: of length one, centred, and again of length one. root: the same,
    of signed square roots. means: [E, 1, d_b] and lengths: [E, 1, 1] of each block. centre: [E, 1, d], where the
    second length has moved the mean to; heads with a free bias see the same, and need it at zero.
    """

    normalisation: Normalisation
    means: Sequence[Tensor]
    lengths: Sequence[Tensor]
    centre: Tensor

    def of(self, blocks: Sequence[Tensor]) -> Tensor:
        """[E, q, d] of [E, q, d_b]."""
        return _joined([_shaped(block, self.normalisation) for block in blocks], self).sub_(self.centre)


def view(support: Sequence[Tensor], normalisation: Normalisation) -> tuple[View, Tensor]:
    """The view of support [E, way, shot, d_b], and what it makes of it, [E, way * shot, d]."""
    blocks = [_shaped(block.flatten(1, 2), normalisation) for block in support]
    means = [block.mean(1, keepdim=True) for block in blocks]
    lengths = [
        (b - m).square().sum(-1).mean(1).sqrt()[:, None, None] for b, m in zip(blocks, means, strict=True)
    ]
    found = View(normalisation, means, lengths, torch.zeros_like(means[0]))
    points = _joined(blocks, found)
    centre = points.mean(1, keepdim=True)
    return replace(found, centre=centre), points.sub_(centre)


def _shaped(block: Tensor, normalisation: Normalisation) -> Tensor:
    if normalisation == "raw":
        return block
    return unit(root(block) if normalisation == "root" else block)


def _joined(blocks: Sequence[Tensor], seen: View) -> Tensor:
    places = [0, *itertools.accumulate(block.shape[-1] for block in blocks)]
    out = blocks[0].new_empty(*blocks[0].shape[:2], places[-1])
    for i, (block, mean, length) in enumerate(zip(blocks, seen.means, seen.lengths, strict=True)):
        centred = block - mean
        if seen.normalisation != "raw":
            length = torch.linalg.vector_norm(centred, dim=-1, keepdim=True)
        # Divided into its place: each further pass over all features takes longer than what is made of them.
        torch.div(
            centred, length.clamp_min(1e-12) * len(blocks) ** 0.5, out=out[..., places[i] : places[i + 1]]
        )
    return out
