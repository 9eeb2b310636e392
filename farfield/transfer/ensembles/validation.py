"""Validation losses of many candidate heads at once: what IMS compares layers and models by."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from farfield.seeds import stream
from farfield.transfer.ensembles.splits import Split
from farfield.transfer.linear_head import HeadTraining, fit_gram


@dataclass(frozen=True)
class Draws:
    """What C candidate heads with k folds draw at random, for each of E episodes.

    weight [E, rows, columns] and bias [E, C, k, way] are uniform in +-1, to be divided by the square
    root of a candidate's number of features (PyTorch's default initialisation). orders int64
    [E, C, k, epochs, n_t] are permutations.
    """

    weight: Tensor
    bias: Tensor
    orders: Tensor


def draw_heads(
    seed: int,
    step: int,
    episodes: range,
    *,
    weights: tuple[int, int],
    candidates: int,
    way: int,
    epochs: int,
    split: Split,
) -> Draws:
    """The draws of a step of IMS (0: the layers; r: round r over the models).

    weights: rows and columns of the weights of all candidates and folds. An episode has one stream a
    step, in which every head has its place. So what it draws depends neither on the batch nor on what
    was selected before.
    """
    folds, images = split.train.shape
    weight = np.empty((len(episodes), *weights), dtype=np.float32)
    bias = np.empty((len(episodes), candidates, folds, way), dtype=np.float32)
    orders = np.empty((len(episodes), candidates, folds, epochs, images), dtype=np.int64)
    for e, episode in enumerate(episodes):
        generator = stream(seed, "ims", step, episode)
        generator.random(out=weight[e], dtype=np.float32)
        generator.random(out=bias[e], dtype=np.float32)
        orders[e] = np.argsort(generator.random(orders.shape[1:]), axis=-1)
    return Draws(
        torch.from_numpy(weight).mul_(2).sub_(1),
        torch.from_numpy(bias).mul_(2).sub_(1),
        torch.from_numpy(orders),
    )


def validation_losses(
    gram: Tensor, initial: Tensor, bias: Tensor, orders: Tensor, split: Split, training: HeadTraining
) -> Tensor:
    """Mean cross-entropy [E, C] on held-out images, averaged over the k folds.

    gram [E, C, n, n] of each candidate's support features, and for every fold its initial logits
    [E, C, k, n, way], bias [E, C, k, way] and orders [E, C, k, epochs, n_t]. All E * C * k heads
    train together.
    """
    shot = gram.shape[-1] // bias.shape[-1]
    train, held_out = (rows.to(gram.device) for rows in (split.train, split.validation))
    fold = torch.arange(len(train), device=gram.device)[:, None]

    def kernel(rows: Tensor) -> Tensor:
        return gram[:, :, rows[:, :, None], train[:, None]].flatten(0, 2)

    def start(rows: Tensor) -> Tensor:
        return initial[:, :, fold, rows].flatten(0, 2)

    heads = fit_gram(
        kernel(train),
        start(train),
        bias.flatten(0, 2)[:, None],
        split.train[0] // shot,
        orders.flatten(0, 2),
        training,
    )
    logits = heads.logits(kernel(held_out), start(held_out))
    targets = (held_out[0] // shot).expand(len(logits), -1)
    losses = F.cross_entropy(logits.mT, targets, reduction="none").mean(-1)
    return losses.unflatten(0, bias.shape[:3]).mean(-1)
