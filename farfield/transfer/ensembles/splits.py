"""How IMS holds out a part of the support to compare layers and models."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

CrossValidation = Literal["released_bug", "intended"]


@dataclass(frozen=True)
class Split:
    """k folds of a support in class-major order (image i is of class i // shot).

    train int64 [k, n_t] and validation int64 [k, n_v] number the support images, ascending. The
    classes of both are the same in every fold.
    """

    train: Tensor
    validation: Tensor


def split_support(way: int, shot: int, cv: CrossValidation) -> Split:
    """The folds of one episode with at least two shots.

    "released_bug": one fold; even images validate and odd images train, 13 and 12 at 5-way 5-shot.
    BSCD-FSL's code means to do this at 20 and 50 shots alone, but its condition reads
    `n_support == 20 or 50`, which is always true, so every number of shots is split like this.
    "intended": what that code means to do. Up to 5 shots there are `shot` folds, of which fold r holds
    out every image i with (i - r) mod shot = 0, one of each class. Above, the half split.
    """
    images = torch.arange(way * shot)
    if cv == "intended" and shot <= 5:
        folds = torch.arange(shot)[:, None]
        held_out = (images - folds) % shot == 0
    else:
        held_out = (images % 2 == 0)[None]
    numbers = images.expand(held_out.shape)
    return Split(numbers[~held_out].reshape(len(held_out), -1), numbers[held_out].reshape(len(held_out), -1))
