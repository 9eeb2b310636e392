"""What fine-tuning is: the recipe of an episode. Where and how fast it runs is decided elsewhere."""

from collections.abc import Sequence
from dataclasses import field
from typing import Literal, get_args

from farfield.errors import InputError
from farfield.settings import AboveZero, NotNegative, Positive, settings
from farfield.training.recipe import SGD

Readout = Literal[
    "head", "transductive", "support_features", "query_features", "support_stages", "query_stages"
]


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
    classifier: "linear", or "cosine": scale * cos(feature, class weight), trained jointly.
    """

    epochs: NotNegative = 100
    batch_size: Positive = 4
    head: SGD = field(default=SGD(0.01, momentum=0.9, dampening=0.9, weight_decay=0.001))
    backbone: SGD = field(default=SGD(0.01))
    last: Positive | None = None
    unit: Literal["block", "layer"] = "block"
    frozen_norm: Literal["eval", "train"] = "eval"
    classifier: Literal["linear", "cosine"] = "linear"
    scale: AboveZero = 10.0


def check_readouts(readouts: Sequence[str]) -> None:
    known = get_args(Readout)
    if unknown := [name for name in readouts if name not in known]:
        raise InputError(f"there is no readout {unknown[0]!r}; the readouts are {', '.join(known)}")
