"""How a network is trained: what a paper's implementation section states, as data."""

import math
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal

from farfield.errors import InputError

Precision = Literal["float32", "bfloat16"]

# pydantic, where it is used to read these classes, rejects keys that a class does not have.
STRICT = {"extra": "forbid"}


@dataclass(frozen=True)
class GradientDescent:
    """What every record of a descent has; the step is that of `torch.optim`. InputError if one of its
    numbers is negative or none at all."""

    __pydantic_config__ = STRICT
    learning_rate: float = 0.01
    _: KW_ONLY
    momentum: float = 0.0
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        for name in ("learning_rate", "momentum", "dampening", "weight_decay"):
            value = getattr(self, name, 0)
            if not isinstance(value, int | float) or value < 0:
                raise InputError(f"{name} must be a number of at least 0, found {value!r}")

    def check_moves(self) -> None:
        """InputError if the learning rate is not above 0: of a descent that must change something."""
        if not isinstance(self.learning_rate, int | float) or self.learning_rate <= 0:
            raise InputError(f"learning_rate must be a number above 0, found {self.learning_rate!r}")


@dataclass(frozen=True)
class SGD(GradientDescent):
    """Stochastic gradient descent as `torch.optim.SGD` does it: the first buffer is undamped."""

    _: KW_ONLY
    dampening: float = 0.0


@dataclass(frozen=True)
class Augmentation:
    """Strengths of the training transform; the defaults are BSCD-FSL's.

    crop: "resized" cuts a box of random area and ratio and resizes it; "random" cuts image_size x
    image_size at a random place, no pixel changed, as the Visual Decathlon does.
    area: share of the image that a resized crop covers. ratio: of its width to its height. jitter:
    brightness, contrast and colour factors lie in 1 +- jitter. flip: probability of a mirror image.
    """

    __pydantic_config__ = STRICT
    crop: Literal["resized", "random"] = "resized"
    area: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    jitter: float = 0.4
    flip: float = 0.5

    def __post_init__(self) -> None:
        if self.crop not in ("resized", "random"):
            raise InputError(f"crop must be resized or random, found {self.crop!r}")
        if not 0 < self.area[0] <= self.area[1] <= 1:
            raise InputError(f"area must be two rising shares in (0, 1], found {self.area}")
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise InputError(f"ratio must be two rising numbers above 0, found {self.ratio}")
        if not 0 <= self.jitter <= 1 or not 0 <= self.flip <= 1:
            raise InputError(f"jitter and flip must be in [0, 1], found {self.jitter}, {self.flip}")


@dataclass(frozen=True)
class Recipe(GradientDescent):
    """One training run. The defaults are BSCD-FSL's pretraining (arXiv 1912.07200): Adam at 1e-3,
    batches of 16, 400 epochs, no weight decay, no schedule.

    milestones: epochs from which the learning rate is multiplied once more by `decay` (schedule step).
    warmup: epochs over which the learning rate rises linearly from zero, counted in steps.
    augmentation: None trains on the evaluation view.
    """

    __pydantic_config__ = STRICT
    epochs: int = 400
    batch_size: int = 16
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine", "step"] = "constant"
    milestones: tuple[int, ...] = ()
    decay: float = 0.1
    warmup: float = 0.0
    label_smoothing: float = 0.0
    precision: Precision = "float32"
    augmentation: Augmentation | None = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        if self.epochs < 0 or self.batch_size < 1:
            raise InputError(
                f"epochs must be at least 0 and batch_size at least 1, found {self.epochs}, {self.batch_size}"
            )
        self.check_moves()
        super().__post_init__()
        if self.warmup < 0:
            raise InputError(f"warmup must be at least 0, found {self.warmup}")
        if self.nesterov and self.momentum == 0:
            raise InputError("nesterov needs a momentum above 0, found 0")
        if not 0 <= self.label_smoothing < 1:
            raise InputError(f"label_smoothing must be in [0, 1), found {self.label_smoothing}")


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
