"""Incremental multi-model selection (IMS; BSCD-FSL, arXiv 1912.07200).

For each episode: (1) of every model, the layer whose linear head has the lowest validation loss; (2) in
rounds, the model whose chosen layer, appended to those before, lowers the validation loss most; (3) a
linear head on what was appended, trained on the whole support. IMS-f is the same on the features of
models that were fine-tuned on the support first.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from farfield.episodes.minibatches import minibatch_orders
from farfield.errors import InputError
from farfield.transfer.ensembles.selection import select
from farfield.transfer.ensembles.settings import IMS, IMSChoices
from farfield.transfer.ensembles.splits import split_support
from farfield.transfer.linear_head import fit_gram, initial_heads, support_targets

# Gram matrices of this size are held at a time in the selection; more do not fit the processor's cache.
CHUNK_BYTES = 2**26


def ims(
    support: list[Tensor],
    query: list[Tensor],
    stage_dims: Sequence[Sequence[int]],
    settings: IMS,
    seed: int,
    first: int = 0,
) -> tuple[Tensor, IMSChoices]:
    """Logits [E, Q, way], and the choices behind them.

    For each of M models, support [E, way, shot, D], query [E, Q, D] and the widths of the stages that
    make up D. The last head is the learner LinearHead on the concatenation. InputError if a model's
    features do not fit its stages or are not finite.

    With one shot nothing can be held out: either no image is left to train on, or classes are. So
    nothing is selected then, and the last stage of every model is taken once.
    """
    for m, (features, dims) in enumerate(zip(support, stage_dims, strict=True)):
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
    choices = _choose(support, stage_dims, settings, seed, first)
    return _classify(support, query, stage_dims, choices, settings, seed, first), choices


def _choose(
    support: list[Tensor], stage_dims: Sequence[Sequence[int]], settings: IMS, seed: int, first: int
) -> IMSChoices:
    """The selection, a chunk of episodes at a time."""
    episodes, way, shot = support[0].shape[:3]
    if shot == 1:
        layers = torch.tensor([len(dims) - 1 for dims in stage_dims])
        return IMSChoices(layers.repeat(episodes, 1), torch.arange(len(support)).repeat(episodes, 1))
    split = split_support(way, shot, settings.cv)
    candidates = sum(map(len, stage_dims)) * len(split.train)
    gram_bytes = candidates * (way * shot) ** 2 * support[0].element_size()
    chunk = max(1, CHUNK_BYTES // gram_bytes)
    parts = []
    for start in range(0, episodes, chunk):
        points = [s[start : start + chunk].flatten(1, 2) for s in support]
        numbers = range(first + start, first + start + len(points[0]))
        parts.append(select(points, stage_dims, way, split, settings, seed, numbers))
    return IMSChoices(torch.cat([p.layers for p in parts]), torch.cat([p.models for p in parts]))


def _classify(
    support: list[Tensor],
    query: list[Tensor],
    stage_dims: Sequence[Sequence[int]],
    choices: IMSChoices,
    settings: IMS,
    seed: int,
    first: int,
) -> Tensor:
    """Logits [E, Q, way] of a head on the features that were appended, in their order.

    Their number differs from episode to episode, their Gram matrices and logits do not.
    """
    episodes, way, shot = support[0].shape[:3]
    images = way * shot
    stages = [
        # [E, n + Q, d] of each model's stages: the support, then the queries.
        torch.cat([s.flatten(1, 2), q], dim=1).split(list(dims), dim=-1)
        for s, q, dims in zip(support, query, stage_dims, strict=True)
    ]
    kernels, initials, biases = [], [], []
    for e, (layers, models) in enumerate(zip(choices.layers.tolist(), choices.models.tolist(), strict=True)):
        rows = torch.cat([stages[m][layers[m]][e] for m in models if m >= 0], dim=-1)
        weight, bias = (w[0].to(rows) for w in initial_heads(seed, 1, way, rows.shape[-1], first + e))
        kernels.append(rows @ rows[:images].mT)
        initials.append(rows @ weight.mT)
        biases.append(bias)
    kernel, initial = torch.stack(kernels), torch.stack(initials)  # [E, n + Q, n] and [E, n + Q, way]
    orders = torch.from_numpy(minibatch_orders(seed, episodes, settings.epochs, images, first))
    heads = fit_gram(
        kernel[:, :images],
        initial[:, :images],
        torch.stack(biases),
        support_targets(way, shot),
        orders,
        settings,
    )
    return heads.logits(kernel[:, images:], initial[:, images:])
