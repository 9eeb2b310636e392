"""Logistic regression averaged over everything that somebody would otherwise have to choose.

A few labelled images are too few to choose a penalty, a normalisation or layers by. So nothing is chosen: the
answer is the mean of the log-probabilities of all of them (the idea of a hyper-parameter ensemble, Luo et al.,
arXiv 2603.00478).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from farfield.settings import AboveZero, keyword_settings
from farfield.transfer.blocks import BlockLearner, Normalisation, View, view
from farfield.transfer.gram_logistic import LogisticHeads, fit


@dataclass(frozen=True)
class FittedEnsemble:
    """The view and the heads of each normalisation and set of layers: (first block, view, heads)."""

    parts: Sequence[tuple[int, View, LogisticHeads]]


@keyword_settings
class HyperEnsemble(BlockLearner[FittedEnsemble]):
    """The mean of log-probabilities over values of C, normalisations and layers.

    layers: "last" is the last block alone, "all" are all of them side by side.
    """

    layers: Annotated[tuple[Literal["last", "all"], ...], Field(min_length=1)] = ("all",)
    normalisations: Annotated[tuple[Normalisation, ...], Field(min_length=1)] = ("raw", "unit", "root")
    penalties: Annotated[tuple[AboveZero, ...], Field(min_length=1)] = (1.0, 10.0, 100.0)

    def fit(self, support: Sequence[Tensor], first: int = 0) -> FittedEnsemble:
        way, shot = support[0].shape[1:3]
        truth = torch.eye(way).repeat_interleave(shot, 1)
        parts = []
        for normalisation in self.normalisations:
            for start in [len(support) - 1 if layers == "last" else 0 for layers in self.layers]:
                seen, points = view(support[start:], normalisation)
                heads = fit(points @ points.mT, truth, self.penalties).heads(points)
                parts.append((start, seen, heads))
        return FittedEnsemble(parts)

    def scores(self, fitted: FittedEnsemble, query: Sequence[Tensor]) -> Tensor:
        answers = [
            heads.logits(seen.of(query[start:])).log_softmax(-1).mean(2)
            for start, seen, heads in fitted.parts
        ]
        return torch.stack(answers).mean(0)
