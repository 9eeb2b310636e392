"""How a multi-task network is trained and how its policy is searched for, as data.

The defaults are those of AdaShare (arXiv 1911.12423) for NYU v2 with three tasks.
"""

from dataclasses import dataclass
from typing import Literal

from farfield.errors import InputError
from farfield.training.recipe import STRICT, Precision

Depth = Literal["metric", "disparity", "logarithmic"]
Form = Literal["code", "paper"]
Weight = Literal["increasing", "decreasing", "flat"]
On = Literal["logit", "probability"]


@dataclass(frozen=True)
class DenseAugmentation:
    """crop: height and width of what is cut, or one number for both. scale: range of the zoom factor.
    flip: probability of a mirror image. depth: what a zoom does to it: it divides a metric depth,
    multiplies a disparity, and divides the depth within Taskonomy's logarithm. The defaults are those
    for NYU v2."""

    __pydantic_config__ = STRICT
    crop: int | tuple[int, int] = 321
    scale: tuple[float, float] = (0.5, 1.5)
    flip: float = 0.5
    depth: Depth = "metric"

    def __post_init__(self) -> None:
        if min(self.size) < 1:
            raise InputError(f"crop must be at least 1 pixel high and wide, found {self.crop}")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise InputError(f"scale must be two rising numbers above 0, found {self.scale}")
        if not 0 <= self.flip <= 1:
            raise InputError(f"flip must be in [0, 1], found {self.flip}")
        if self.depth not in ("metric", "disparity", "logarithmic"):
            raise InputError(f"depth must be metric, disparity or logarithmic, found {self.depth!r}")

    @property
    def size(self) -> tuple[int, int]:
        return (self.crop, self.crop) if isinstance(self.crop, int) else self.crop


@dataclass(frozen=True)
class DenseRecipe:
    """A training with Adam for a number of iterations: warm-up, re-training and all baselines.

    head_rate, backbone_rate: learning rates; both are multiplied by `decay` every `decay_every`
    iterations (0: never). precision: of the forward pass. augmentation: None trains on evaluation views.
    """

    __pydantic_config__ = STRICT
    iterations: int = 20000
    batch_size: int = 16
    head_rate: float = 1e-3
    backbone_rate: float = 1e-3
    decay_every: int = 4000
    decay: float = 0.5
    weight_decay: float = 1e-4
    betas: tuple[float, float] = (0.5, 0.999)
    precision: Precision = "float32"
    augmentation: DenseAugmentation | None = None

    def __post_init__(self) -> None:
        _at_least("iterations", self.iterations, 0)
        _at_least("batch_size", self.batch_size, 1)
        _at_least("decay_every", self.decay_every, 0)
        _above_zero(head_rate=self.head_rate, backbone_rate=self.backbone_rate, decay=self.decay)
        _at_least("weight_decay", self.weight_decay, 0)
        if not all(0 <= beta < 1 for beta in self.betas):
            raise InputError(f"betas must be two numbers in [0, 1), found {self.betas}")

    def decayed(self, rate: float, iteration: int) -> float:
        """`rate` at an iteration from 0. A function of time: a resumed run has nothing to restore."""
        return rate * self.decay ** (iteration // self.decay_every) if self.decay_every else rate


@dataclass(frozen=True)
class SearchRecipe:
    """The search for a policy: weights and policy logits take turns, on two parts of the training set.

    iterations: of weights and logits together; what is left over after whole alternations is not run.
    weight_steps, policy_steps: of one alternation; 0 is one pass over the part of the data.
    share: of the training images that the weights see; the logits see the others.
    head_rate, backbone_rate, momentum, weight_decay: of SGD on the weights, which do not decay.
    policy_rate, policy_weight_decay: of Adam on the logits.
    curriculum_speed: alternations until one more block, from the output on, is open to choice; 0 opens
        all from the start.
    sparsity, sharing: weights of the two terms that the policy's objective has beside the tasks' losses.
        sparsity_form and those of sharing choose among their forms, see `policy_losses`.
    temperature: of the Gumbel softmax, times temperature_decay after each alternation, never under
        temperature_lowest. hard: straight-through decisions instead of mixtures.
    """

    __pydantic_config__ = STRICT
    iterations: int = 16000
    batch_size: int = 16
    weight_steps: int = 0
    policy_steps: int = 0
    share: float = 0.8
    head_rate: float = 1e-3
    backbone_rate: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 1e-4
    policy_rate: float = 0.01
    policy_weight_decay: float = 5e-4
    curriculum_speed: int = 3
    sparsity: float = 0.001
    sparsity_form: Form = "paper"
    sharing: float = 0.05
    sharing_form: Form = "paper"
    sharing_weight: Weight | None = None
    sharing_on: On | None = None
    temperature: float = 5.0
    temperature_decay: float = 0.965
    temperature_lowest: float = 0.0
    hard: bool = False
    precision: Precision = "float32"
    augmentation: DenseAugmentation | None = None

    def __post_init__(self) -> None:
        for name in ("iterations", "weight_steps", "policy_steps", "curriculum_speed"):
            _at_least(name, getattr(self, name), 0)
        _at_least("batch_size", self.batch_size, 1)
        for name in ("weight_decay", "policy_weight_decay", "sparsity", "sharing", "temperature_lowest"):
            _at_least(name, getattr(self, name), 0)
        for name in ("head_rate", "backbone_rate", "policy_rate", "temperature", "temperature_decay"):
            _above_zero(**{name: getattr(self, name)})
        if not 0 < self.share < 1:
            raise InputError(f"share must be between 0 and 1, found {self.share}")
        if not 0 <= self.momentum < 1:
            raise InputError(f"momentum must be in [0, 1), found {self.momentum}")


def _at_least(name: str, value: float, least: float) -> None:
    if value < least:
        raise InputError(f"{name} must be at least {least}, found {value}")


def _above_zero(**values: float) -> None:
    for name, value in values.items():
        if value <= 0:
            raise InputError(f"{name} must be above 0, found {value}")
