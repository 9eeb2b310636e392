"""The two selections of IMS: a layer of every model, then models one after another.

A candidate enters the training of its head through a Gram matrix and initial logits alone. Those have
one shape whatever the candidate's width, and add where features are concatenated. So all candidates
of a step train together for all episodes, and appending a model is a sum.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from farfield.transfer.ensembles.settings import IMSChoices, IMSSettings
from farfield.transfer.ensembles.splits import Split
from farfield.transfer.ensembles.validation import draw_heads, validation_losses


@dataclass(frozen=True)
class _Chosen:
    """The best layer of M models: its features [E, M, n, widest] padded with zeros to the widest stage
    of any model, how wide it is [E, M], and its Gram matrix [E, M, n, n]."""

    features: Tensor
    widths: Tensor
    gram: Tensor


def select(
    support: list[Tensor],
    stage_dims: Sequence[Sequence[int]],
    way: int,
    split: Split,
    settings: IMSSettings,
    seed: int,
    episodes: range,
) -> IMSChoices:
    """The choices of the episodes numbered `episodes`; for each model, support [E, n, D]."""
    settings = replace(settings, epochs=settings.selector_epochs)
    stages = [s.split(list(dims), dim=-1) for s, dims in zip(support, stage_dims, strict=True)]
    layers, chosen = _select_layers(stages, way, split, settings, seed, episodes)
    return IMSChoices(layers, _select_models(chosen, way, split, settings, seed, episodes))


def _select_layers(
    stages: Sequence[Sequence[Tensor]],
    way: int,
    split: Split,
    settings: IMSSettings,
    seed: int,
    episodes: range,
) -> tuple[Tensor, _Chosen]:
    """int64 [E, M]: the stage [E, n, d] of each model with the lowest validation loss, and what it is."""
    candidates = [stage for model in stages for stage in model]
    dims = [stage.shape[-1] for stage in candidates]
    roots = candidates[0].new_tensor(dims).sqrt()
    folds = len(split.train)
    draws = draw_heads(
        seed,
        0,
        episodes,
        weights=(folds * way, sum(dims)),
        candidates=len(dims),
        way=way,
        epochs=settings.epochs,
        split=split,
    )
    weights = draws.weight.to(roots).split(dims, dim=-1)
    gram = torch.stack([stage @ stage.mT for stage in candidates], dim=1)
    initial = torch.stack([s @ w.mT for s, w in zip(candidates, weights, strict=True)], dim=1)
    initial = initial.unflatten(-1, (folds, way)).transpose(2, 3)  # [E, C, k, n, way]
    losses = validation_losses(
        gram,
        initial / roots[:, None, None, None],
        draws.bias.to(roots) / roots[:, None, None],
        draws.orders,
        split,
        settings,
    )
    counts = [len(model) for model in stages]
    layers = torch.stack([loss.argmin(1) for loss in losses.split(counts, dim=1)], dim=1)

    size, images = len(episodes), gram.shape[-1]
    features = gram.new_zeros(size, len(stages), images, max(dims))
    widths = gram.new_zeros(size, len(stages))
    for m, model in enumerate(stages):
        for layer, stage in enumerate(model):
            rows = layers[:, m] == layer
            features[rows, m, :, : stage.shape[-1]] = stage[rows]
            widths[rows, m] = stage.shape[-1]
    offsets = torch.tensor([0, *counts[:-1]], device=layers.device).cumsum(0)
    every = torch.arange(size, device=layers.device)[:, None]
    return layers, _Chosen(features, widths, gram[every, layers + offsets])


def _select_models(
    chosen: _Chosen, way: int, split: Split, settings: IMSSettings, seed: int, episodes: range
) -> Tensor:
    """int64 [E, rounds]: the model that each round appends to S, -1 where none lowers the loss.

    S has one slot a round, [E, n, rounds so far * widest], with zeros where a round appended nothing.
    """
    size, count, images, widest = chosen.features.shape
    folds = len(split.train)
    rounds = count if settings.rounds is None else settings.rounds
    every = torch.arange(size, device=chosen.gram.device)
    slots = chosen.features.new_zeros(size, images, 0)
    gram = chosen.gram.new_zeros(size, images, images)
    width = chosen.widths.new_zeros(size)
    best = chosen.widths.new_full((size,), torch.inf)
    taken = torch.zeros(size, count, dtype=torch.bool, device=best.device)
    models = []
    for r in range(1, rounds + 1):
        draws = draw_heads(
            seed,
            r,
            episodes,
            weights=(count * folds * way, r * widest),
            candidates=count,
            way=way,
            epochs=settings.epochs,
            split=split,
        )
        # The columns of the slots, then those of the candidate, [E, M * k * way, .] each.
        before, last = draws.weight.to(best).split([(r - 1) * widest, widest], dim=-1)
        initial = chosen.features @ last.unflatten(1, (count, -1)).mT  # [E, M, n, k * way]
        initial += (slots @ before.mT).unflatten(-1, (count, -1)).transpose(1, 2)
        initial = initial.unflatten(-1, (folds, way)).transpose(2, 3)  # [E, M, k, n, way]
        roots = (width[:, None] + chosen.widths).sqrt()[..., None, None]
        losses = validation_losses(
            gram[:, None] + chosen.gram,
            initial / roots[..., None],
            draws.bias.to(best) / roots,
            draws.orders,
            split,
            settings,
        )
        if not settings.with_replacement:
            losses = losses.masked_fill(taken, torch.inf)
        lowest, model = losses.min(1)
        better = lowest < best
        # A search that has ended asks for less than any loss.
        best = torch.where(better, lowest, -torch.inf if settings.early_stop else best)
        taken[every, model] |= better
        gram += chosen.gram[every, model] * better[:, None, None]
        width += chosen.widths[every, model] * better
        appended = chosen.features[every, model] * better[:, None, None]
        slots = torch.cat([slots, appended], dim=2)
        models.append(torch.where(better, model, -1))
    return torch.stack(models, dim=1)
