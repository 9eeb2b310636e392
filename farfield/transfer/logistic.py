"""Multinomial logistic regression on blocks of frozen features, its penalty given or by images left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from farfield.settings import AboveZero, keyword_settings
from farfield.transfer.blocks import BlockLearner, Normalisation, View, view
from farfield.transfer.gram_logistic import Fits, LogisticHeads, fit, left_out_losses


@dataclass(frozen=True)
class FittedLogistic:
    """heads: with one penalty an episode, for what the view makes of queries. penalties: [E], which."""

    view: View
    heads: LogisticHeads
    penalties: Tensor


@keyword_settings
class Logistic(BlockLearner[FittedLogistic]):
    """One classifier an episode, the least of C * cross-entropies + |W|^2 / 2.

    penalties: values of C. Of several, each episode takes the one whose cross-entropy is least on images that
    were left out, one of each class at a time: classes stay as frequent as they are, where leaving out a single
    image would make its class the rarest. With one shot nothing can be left out, and the middle one is taken.
    """

    normalisation: Normalisation = "root"
    penalties: Annotated[tuple[AboveZero, ...], Field(min_length=1)] = (10.0,)

    def fit(self, support: Sequence[Tensor], first: int = 0) -> FittedLogistic:
        episodes, way, shot = support[0].shape[:3]
        seen, points = view(support, self.normalisation)
        gram, truth = points @ points.mT, torch.eye(way).repeat_interleave(shot, 1)
        chosen = torch.full((episodes,), len(self.penalties) // 2)
        if shot > 1 and len(self.penalties) > 1:
            losses = left_out_losses(gram, truth, self.penalties, torch.arange(shot).repeat(way))
            chosen = losses.argmin(0).cpu()
        fits = fit(gram, truth, self.penalties)
        every = torch.arange(episodes)
        best = Fits(fits.coefficients[chosen, every][None], fits.bias[chosen, every][None])
        return FittedLogistic(seen, best.heads(points), torch.tensor(self.penalties)[chosen])

    def scores(self, fitted: FittedLogistic, query: Sequence[Tensor]) -> Tensor:
        return fitted.heads.logits(fitted.view.of(query))[:, :, 0]
