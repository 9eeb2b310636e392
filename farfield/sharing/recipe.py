"""How a multi-task network is trained and how its policy is searched for, as data.

The defaults are those of AdaShare (arXiv 1911.12423) for NYU v2 with three tasks.
"""

from typing import Annotated, Literal

from pydantic import Field

from farfield.errors import InputError
from farfield.settings import AboveZero, AtLeastZero, BelowOne, NotNegative, Positive, Probability, settings
from farfield.training.recipe import Precision

Depth = Literal["metric", "disparity", "logarithmic"]
Form = Literal["code", "paper"]
Weight = Literal["increasing", "decreasing", "flat"]
On = Literal["logit", "probability"]


@settings
class DenseAugmentation:
    """crop: height and width of what is cut, or one number for both. scale: range of the zoom factor.
    flip: probability of a mirror image. depth: what a zoom does to it: it divides a metric depth,
    multiplies a disparity, and divides the depth within Taskonomy's logarithm. The defaults are those
    for NYU v2."""

    crop: int | tuple[int, int] = 321
    scale: tuple[float, float] = (0.5, 1.5)
    flip: Probability = 0.5
    depth: Depth = "metric"

    def __post_init__(self) -> None:
        if min(self.size) < 1:
            raise InputError(f"crop must be at least 1 pixel high and wide, found {self.crop}")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise InputError(f"scale must be two rising numbers above 0, found {self.scale}")

    @property
    def size(self) -> tuple[int, int]:
        return (self.crop, self.crop) if isinstance(self.crop, int) else self.crop


@settings
class DenseRecipe:
    """A training with Adam for a number of iterations: warm-up, re-training and all baselines.

    head_rate, backbone_rate: learning rates; both are multiplied by `decay` every `decay_every`
    iterations (0: never). precision: of the forward pass. augmentation: None trains on evaluation views.
    """

    iterations: NotNegative = 20000
    batch_size: Positive = 16
    head_rate: AboveZero = 1e-3
    backbone_rate: AboveZero = 1e-3
    decay_every: NotNegative = 4000
    decay: AboveZero = 0.5
    weight_decay: AtLeastZero = 1e-4
    betas: tuple[BelowOne, BelowOne] = (0.5, 0.999)
    precision: Precision = "float32"
    augmentation: DenseAugmentation | None = None

    def decayed(self, rate: float, iteration: int) -> float:
        """`rate` at an iteration from 0. A function of time: a resumed run has nothing to restore."""
        return rate * self.decay ** (iteration // self.decay_every) if self.decay_every else rate


@settings
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

    iterations: NotNegative = 16000
    batch_size: Positive = 16
    weight_steps: NotNegative = 0
    policy_steps: NotNegative = 0
    share: Annotated[float, Field(gt=0, lt=1)] = 0.8
    head_rate: AboveZero = 1e-3
    backbone_rate: AboveZero = 1e-3
    momentum: BelowOne = 0.9
    weight_decay: AtLeastZero = 1e-4
    policy_rate: AboveZero = 0.01
    policy_weight_decay: AtLeastZero = 5e-4
    curriculum_speed: NotNegative = 3
    sparsity: AtLeastZero = 0.001
    sparsity_form: Form = "paper"
    sharing: AtLeastZero = 0.05
    sharing_form: Form = "paper"
    sharing_weight: Weight | None = None
    sharing_on: On | None = None
    temperature: AboveZero = 5.0
    temperature_decay: AboveZero = 0.965
    temperature_lowest: AtLeastZero = 0.0
    hard: bool = False
    precision: Precision = "float32"
    augmentation: DenseAugmentation | None = None
