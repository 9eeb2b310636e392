"""What fine-tuning is: the recipe of an episode. Where and how fast it runs is decided elsewhere."""

from collections.abc import Sequence
from dataclasses import field, replace
from itertools import product
from typing import Annotated, Literal, get_args

from pydantic import Field

from farfield.errors import InputError
from farfield.settings import AboveZero, AtLeastZero, NotNegative, Positive, settings
from farfield.training.recipe import SGD, View

Readout = Literal[
    "head", "transductive", "support_features", "query_features", "support_stages", "query_stages"
]


Norm = Literal["train", "eval"]


@settings
class Grid:
    """Fine-tunings of one episode, each way to combine these: none is chosen, since a few images are too few to
    choose by (the idea of a hyper-parameter ensemble, Luo et al., arXiv 2603.00478).

    learning_rates: of the backbone. epochs: rising; a longer training is read on its way. norms: as of
    `FineTuning`.
    """

    learning_rates: Annotated[tuple[AboveZero, ...], Field(min_length=1)]
    epochs: Annotated[tuple[Positive, ...], Field(min_length=1)]
    norms: Annotated[tuple[Norm, ...], Field(min_length=1)]

    def __post_init__(self) -> None:
        if any(late <= early for early, late in zip(self.epochs, self.epochs[1:], strict=False)):
            raise InputError(f"epochs of a grid rise, and no two are the same; found {list(self.epochs)}")
        for name, values in (("learning_rates", self.learning_rates), ("norms", self.norms)):
            if len(set(values)) < len(values):
                raise InputError(f"{name} of a grid differ, or one would count twice; found {[*values]}")


@settings
class TSA:
    """Task-specific adapters as their authors train them; see `tsa`.

    steps: of Adadelta, on the whole support each. rate: of the adapters beside convolutions, which start at
    `start` times the identity; map_rate: of the map of features. scale: of cosines.
    """

    steps: Positive = 40
    rate: AboveZero = 0.1
    map_rate: AboveZero = 1.0
    start: AtLeastZero = 1e-4
    scale: AboveZero = 10.0


@settings
class FineTuning:
    """The loop of BSCD-FSL (arXiv 1912.07200); the defaults are those of its released code.

    epochs: passes over the support of an episode, in minibatches of `batch_size`, the last one smaller.
    head, backbone: two separate optimisers.
    last: None trains every layer; k trains the last k units and the head, the rest is frozen.
    unit: "block" counts residual blocks (the blocks of Conv4), "layer" convolutional layers with their
        BatchNorm. A shortcut counts with the first convolution of its block, beside which it stands.
    frozen_norm: BatchNorm of the frozen part: "eval" uses the pretrained statistics, "train" those of
        the minibatch, which also move the running ones, as in a network whose gradients are merely off.
    norm: BatchNorm of the part that is adapted: "train" uses the statistics of the minibatch, which also move the
        running ones; "eval" the pretrained ones, which a few images cannot spoil.
    classifier: "linear", or "cosine": scale * cos(feature, class weight), trained jointly.
    grid: what is trained in the place of one rate, number of epochs and norm; the only readout is then the head,
        whose logits are the mean of all their log-probabilities.
    views: of every image, support and queries. An epoch is trained on one of them, one after the other, so that
        more views are no more steps; the head's answer is the mean of the log-probabilities of all. With several
        the only readouts are the head and the stages.
    tsa: adapters that are learned in the place of all of the above; the only readout is then the head, whose
        logits are the cosines to class means.
    """

    epochs: NotNegative = 100
    batch_size: Positive = 4
    head: SGD = field(default=SGD(0.01, momentum=0.9, dampening=0.9, weight_decay=0.001))
    backbone: SGD = field(default=SGD(0.01))
    last: Positive | None = None
    unit: Literal["block", "layer"] = "block"
    frozen_norm: Norm = "eval"
    norm: Norm = "train"
    classifier: Literal["linear", "cosine"] = "linear"
    scale: AboveZero = 10.0
    grid: Grid | None = None
    tsa: TSA | None = None
    views: Annotated[tuple[View, ...], Field(min_length=1)] = ("plain",)

    @property
    def single(self) -> bool:
        """Whether what comes of it is one network of the backbone's kind, whose head answers plain images."""
        return self.grid is None and self.tsa is None and len(self.views) == 1

    def check(self, readouts: Sequence[str]) -> None:
        """InputError if one of these cannot be read out of what is trained."""
        given, allowed = "fine-tunings that are averaged and adapters have", {"head"}
        if self.grid is None and self.tsa is None:
            if len(self.views) == 1:
                return
            given, allowed = "several views have", {"head", "support_stages", "query_stages"}
        if wrong := [name for name in readouts if name not in allowed]:
            raise InputError(
                f"{given} the readouts {', '.join(sorted(allowed))} and no other; found {wrong[0]}. Leave out "
                f"`grid`, `tsa` and `views`, or this readout."
            )

    @property
    def trainings(self) -> "list[tuple[FineTuning, tuple[int, ...]]]":
        """What is trained, and after which epochs it is read."""
        if self.grid is None:
            return [(self, (self.epochs,))]
        last = self.grid.epochs[-1]
        return [
            (
                replace(
                    self,
                    epochs=last,
                    norm=norm,
                    grid=None,
                    backbone=replace(self.backbone, learning_rate=rate),
                ),
                self.grid.epochs,
            )
            for rate, norm in product(self.grid.learning_rates, self.grid.norms)
        ]


def check_readouts(readouts: Sequence[str]) -> None:
    known = get_args(Readout)
    if unknown := [name for name in readouts if name not in known]:
        raise InputError(f"there is no readout {unknown[0]!r}; the readouts are {', '.join(known)}")
