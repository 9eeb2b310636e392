"""Incremental multi-model selection (IMS; BSCD-FSL, arXiv 1912.07200).

For each episode: (1) of every model, the layer whose linear head has the lowest validation loss; (2) in
rounds, the model whose chosen layer, appended to those before, lowers the validation loss most; (3) a
linear head on what was appended, trained on the whole support. IMS-f is the same on the features of
models that were fine-tuned on the support first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from farfield.episodes.minibatches import minibatch_orders
from farfield.errors import InputError
from farfield.settings import keyword_settings
from farfield.transfer.ensembles import EnsembleLearner
from farfield.transfer.ensembles.selection import select
from farfield.transfer.ensembles.settings import IMSChoices, IMSSettings
from farfield.transfer.ensembles.splits import split_support
from farfield.transfer.linear_head import Heads, fit_gram, initial_heads, support_targets

# Gram matrices of this size are held at a time in the selection; more do not fit the processor's cache.
CHUNK_BYTES = 2**26


@dataclass(frozen=True)
class FittedIMS:
    """choices: what was appended. heads: one an episode, written in what was appended of the support of each,
    points [n, d], and its initial weights [way, d]; d differs from episode to episode."""

    choices: IMSChoices
    heads: Heads
    points: Sequence[Tensor]
    weights: Sequence[Tensor]


@keyword_settings
class IMS(IMSSettings, EnsembleLearner[FittedIMS]):
    """The last head is the learner LinearHead on the concatenation.

    With one shot nothing can be held out: either no image is left to train on, or classes are. So
    nothing is selected then, and the last stage of every model is taken once.
    """

    def fit(self, support: Sequence[Tensor], first: int = 0) -> FittedIMS:
        """InputError if a model's features do not fit its stages or are not finite."""
        self._check(support)
        episodes, way, shot = support[0].shape[:3]
        choices = self._choose(support, first)
        points = self._appended(choices, [s.flatten(1, 2) for s in support])
        weights, biases = [], []
        for e, rows in enumerate(points):
            weight, bias = (
                w[0].to(rows) for w in initial_heads(self.seed, 1, way, rows.shape[-1], first + e)
            )
            weights.append(weight)
            biases.append(bias)
        orders = torch.from_numpy(minibatch_orders(self.seed, episodes, self.epochs, way * shot, first))
        # Widths differ from episode to episode, Gram matrices and logits do not.
        heads = fit_gram(
            torch.stack([rows @ rows.mT for rows in points]),
            torch.stack([rows @ weight.mT for rows, weight in zip(points, weights, strict=True)]),
            torch.stack(biases),
            support_targets(way, shot),
            orders,
            self,
        )
        return FittedIMS(choices, heads, points, weights)

    def scores(self, fitted: FittedIMS, query: Sequence[Tensor]) -> Tensor:
        rows = self._appended(fitted.choices, query)
        return fitted.heads.logits(
            torch.stack([r @ p.mT for r, p in zip(rows, fitted.points, strict=True)]),
            torch.stack([r @ w.mT for r, w in zip(rows, fitted.weights, strict=True)]),
        )

    def choices(self, fitted: FittedIMS) -> IMSChoices:
        return fitted.choices

    def _check(self, support: Sequence[Tensor]) -> None:
        for m, (features, dims) in enumerate(zip(support, self.stage_dims, strict=True)):
            if features.shape[-1] != sum(dims):
                raise InputError(
                    f"model {m} has {features.shape[-1]} features, but its stages have {list(dims)}, "
                    f"{sum(dims)} in all; give the pooled features of all its stages side by side"
                )
            if not features.isfinite().all():
                raise InputError(
                    f"model {m} has support features that are not finite, so its losses cannot be compared; "
                    "train it again with a smaller learning rate, or leave it out"
                )

    def _choose(self, support: Sequence[Tensor], first: int) -> IMSChoices:
        """The selection, a chunk of episodes at a time."""
        episodes, way, shot = support[0].shape[:3]
        if shot == 1:
            layers = torch.tensor([len(dims) - 1 for dims in self.stage_dims])
            return IMSChoices(layers.repeat(episodes, 1), torch.arange(len(support)).repeat(episodes, 1))
        split = split_support(way, shot, self.cv)
        candidates = sum(map(len, self.stage_dims)) * len(split.train)
        gram_bytes = candidates * (way * shot) ** 2 * support[0].element_size()
        chunk = max(1, CHUNK_BYTES // gram_bytes)
        parts = []
        for start in range(0, episodes, chunk):
            points = [s[start : start + chunk].flatten(1, 2) for s in support]
            numbers = range(first + start, first + start + len(points[0]))
            parts.append(select(points, self.stage_dims, way, split, self, self.seed, numbers))
        return IMSChoices(torch.cat([p.layers for p in parts]), torch.cat([p.models for p in parts]))

    def _appended(self, choices: IMSChoices, features: Sequence[Tensor]) -> list[Tensor]:
        """[images, d] for each episode: what was appended, in its order, of features [E, images, D] of each
        model."""
        stages = [f.split(list(dims), dim=-1) for f, dims in zip(features, self.stage_dims, strict=True)]
        pairs = zip(choices.layers.tolist(), choices.models.tolist(), strict=True)
        return [
            torch.cat([stages[m][layers[m]][e] for m in models if m >= 0], dim=-1)
            for e, (layers, models) in enumerate(pairs)
        ]
