"""How a network is trained: what a paper's implementation section states, as data."""

import math
from dataclasses import KW_ONLY, field
from typing import Literal

from farfield.errors import InputError
from farfield.settings import AboveZero, AtLeastZero, BelowOne, NotNegative, Positive, Probability, settings

Precision = Literal["float32", "bfloat16"]
# How an image is shown; see `farfield.networks.views`.
View = Literal["plain", "mirrored", "turned", "upside_down", "near"]


@settings
class GradientDescent:
    """What every record of a descent has; the step is that of `torch.optim`."""

    learning_rate: AtLeastZero = 0.01
    _: KW_ONLY
    momentum: AtLeastZero = 0.0
    weight_decay: AtLeastZero = 0.0


@settings
class SGD(GradientDescent):
    """Stochastic gradient descent as `torch.optim.SGD` does it: the first buffer is undamped."""

    _: KW_ONLY
    dampening: AtLeastZero = 0.0


@settings
class Augmentation:
    """Strengths of the training transform; the defaults are BSCD-FSL's.

    crop: "resized" cuts a box of random area and ratio and resizes it; "random" cuts image_size x
    image_size at a random place, no pixel changed, as the Visual Decathlon does.
    area: share of the image that a resized crop covers. ratio: of its width to its height. jitter:
    brightness, contrast and colour factors lie in 1 +- jitter. flip: probability of a mirror image.
    """

    crop: Literal["resized", "random"] = "resized"
    area: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    jitter: Probability = 0.4
    flip: Probability = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.area[0] <= self.area[1] <= 1:
            raise InputError(f"area must be two rising shares in (0, 1], found {self.area}")
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise InputError(f"ratio must be two rising numbers above 0, found {self.ratio}")


@settings
class Recipe(GradientDescent):
    """One training run. The defaults are BSCD-FSL's pretraining (arXiv 1912.07200): Adam at 1e-3,
    batches of 16, 400 epochs, no weight decay, no schedule.

    milestones: epochs from which the learning rate is multiplied once more by `decay` (schedule step).
    warmup: epochs over which the learning rate rises linearly from zero, counted in steps.
    augmentation: None trains on the evaluation view. spectral: weight of the penalty on the singular values of a
    batch's features, a sum over the batch, so that the batch size belongs to it; of supervised pretraining alone.
    """

    epochs: NotNegative = 400
    batch_size: Positive = 16
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: AboveZero = 1e-3
    momentum: AtLeastZero = 0.9
    nesterov: bool = False
    weight_decay: AtLeastZero = 0.0
    schedule: Literal["constant", "cosine", "step"] = "constant"
    milestones: tuple[int, ...] = ()
    decay: float = 0.1
    warmup: AtLeastZero = 0.0
    label_smoothing: BelowOne = 0.0
    precision: Precision = "float32"
    augmentation: Augmentation | None = field(default_factory=Augmentation)
    spectral: AtLeastZero = 0.0

    def __post_init__(self) -> None:
        if self.nesterov and self.momentum == 0:
            raise InputError("nesterov needs a momentum above 0, found 0")


def learning_rate(recipe: Recipe, epoch: float) -> float:
    """The learning rate at a time in epochs (step s of epoch e of n steps is at e + s / n).

    A function of time, so that a resumed run has nothing to restore.
    """
    if epoch < recipe.warmup:
        return recipe.learning_rate * epoch / recipe.warmup
    if recipe.schedule == "cosine":
        span = max(recipe.epochs - recipe.warmup, 1e-9)
        return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (epoch - recipe.warmup) / span))
    if recipe.schedule == "step":
        return recipe.learning_rate * recipe.decay ** sum(epoch >= m for m in recipe.milestones)
    return recipe.learning_rate
