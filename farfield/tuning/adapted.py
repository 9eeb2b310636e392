"""What a fine-tuning method makes of a pretrained network: the one interface of all its rows.

A method is a transformation of the network, an extra term of the loss, a rule for groups of
parameters, or some of these. How it is trained (`farfield.training.loop.fit`), evaluated and
reported is the same for all.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from farfield.backbones.backbone import Backbone
from farfield.errors import InputError
from farfield.seeds import integer_seed
from farfield.training.classifier import Classifier
from farfield.training.loop import LabelledImages, Loss, cross_entropy, fit
from farfield.training.recipe import Recipe
from farfield.training.steps import Curve

# What BatchNorm of a frozen part does. "eval": everything is as pretrained, in training too. "stats":
# it normalises by the batch, running statistics move, scale and shift stay. "adapt": scale and shift
# are trained too, as in the released code of SpotTune, where only convolutions are frozen.
FrozenNorm = Literal["eval", "stats", "adapt"]
FROZEN_NORMS: tuple[FrozenNorm, ...] = ("eval", "stats", "adapt")


def check_norm(norm: str, name: str = "norm") -> None:
    """InputError if the setting `name` is no mode of BatchNorm in a frozen part."""
    if norm not in FROZEN_NORMS:
        raise InputError(f"{name} must be one of {', '.join(FROZEN_NORMS)}, found {norm!r}")


@dataclass
class Adapted:
    """A network that is ready to be trained on a task, and how.

    network: normalised images [n, 3, h, w] to logits [n, classes].
    groups: parameter groups of the optimizer: {"params": [...]}, with `scale`, which multiplies the
        learning rate, and `weight_decay`, which replaces the recipe's, where they differ.
    before_epoch: called with the epoch (from 0) and the optimizer before the epoch is trained.
    figures: figures of the epoch just trained, for its row of the curve.
    finish: called with the training images and the size that networks see of them once training is over.
    """

    network: nn.Module
    groups: list[dict[str, Any]]
    loss: Loss = cross_entropy
    before_epoch: Callable[[int, torch.optim.Optimizer], None] | None = None
    figures: Callable[[], dict[str, float]] | None = None
    finish: Callable[[LabelledImages, int], None] | None = None


# (pretrained backbone, classes) -> Adapted. The backbone may be changed: every call gets its own.
Method = Callable[[Backbone, int], Adapted]


class KeepsSourceHead(ABC):
    """A method that needs the head that the network was pretrained with."""

    @abstractmethod
    def with_source_head(self, head: nn.Linear | None) -> Method:
        """The method, given that head; none if the network came without one."""


class FixedNorm(nn.BatchNorm2d):
    """BatchNorm that stays in evaluation mode whatever mode the network is in."""

    def train(self, mode: bool = True) -> "FixedNorm":
        del mode
        super().train(False)
        return self


def classifier(backbone: Backbone, classes: int, seed: int) -> Classifier:
    """`backbone` with a new head, which depends on `seed` alone: all methods start from the same one."""
    network = Classifier(backbone, classes)
    bound = backbone.feature_dim**-0.5  # the initialisation of nn.Linear
    generator = torch.Generator().manual_seed(integer_seed(seed, "head"))
    nn.init.uniform_(network.head.weight, -bound, bound, generator)
    return network


def freeze(module: nn.Module, norm: FrozenNorm = "eval", spare: Iterable[nn.Module] = ()) -> None:
    """Take `module` out of training, its BatchNorm as `norm` says; later `.train()` does not undo it.

    spare: parts of `module` that stay as they are.
    """
    spared = {id(part) for kept in spare for part in kept.modules()}
    for part in module.modules():
        if id(part) in spared:
            continue
        is_norm = isinstance(part, nn.BatchNorm2d)
        if is_norm and norm == "eval":
            part.__class__ = FixedNorm
            part.eval()
        if not (is_norm and norm == "adapt"):
            for parameter in part.parameters(recurse=False):
                parameter.requires_grad_(False)


def trained(modules: Iterable[nn.Module], **settings: Any) -> list[dict[str, Any]]:
    """One group of the parameters of `modules` that are not frozen; no group if there are none."""
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    return [{"params": parameters, **settings}] if parameters else []


def fit_adapted(adapted: Adapted, data: LabelledImages, recipe: Recipe, **settings: Any) -> Curve:
    """`fit` with all that the method brings; `settings` are the others of `fit`."""
    if (figures := adapted.figures) is not None:
        settings.setdefault("validate", lambda network: figures())
    return fit(
        adapted.network,
        data,
        recipe,
        loss=adapted.loss,
        groups=adapted.groups,
        before_epoch=adapted.before_epoch,
        **settings,
    )
