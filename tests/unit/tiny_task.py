"""A task and a pretrained network small enough to fine-tune in a blink."""

import numpy as np
import torch
from torch import Tensor

from farfield.backbones import build
from farfield.backbones.backbone import Backbone
from farfield.seeds import stream
from farfield.training.images import evaluation_view
from farfield.training.loop import LabelledImages
from farfield.training.recipe import Recipe
from farfield.training.steps import Curve
from farfield.tuning.adapted import Adapted, fit_adapted

CLASSES, IMAGES, SIZE, SEED = 3, 24, 16, 7
# Momentum and decay move whatever is not properly frozen.
RECIPE = Recipe(
    epochs=3,
    batch_size=12,
    optimizer="sgd",
    learning_rate=0.05,
    momentum=0.9,
    weight_decay=0.01,
    augmentation=None,
)


def pretrained(name: str = "resnet14") -> Backbone:
    """A narrow backbone whose BatchNorm has seen data, so that its statistics are not the initial ones.

    For loops written out choose resnet8: the last maps of the others have a single position at this size,
    and BatchNorm over so few values blows rounding up.
    """
    torch.manual_seed(1)
    backbone = build(name, width=4)
    backbone.train()
    with torch.no_grad():
        backbone(torch.randn(16, 3, SIZE, SIZE))
    return backbone


def task() -> LabelledImages:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (IMAGES, SIZE, SIZE, 3), dtype=np.uint8)
    return LabelledImages(
        torch.from_numpy(images), torch.arange(IMAGES), torch.arange(IMAGES, dtype=torch.int64) % CLASSES
    )


def train(adapted: Adapted, recipe: Recipe = RECIPE, **further) -> Curve:
    device = torch.device("cpu")
    return fit_adapted(adapted, task(), recipe, image_size=SIZE, seed=SEED, device=device, **further)


def batches(epoch: int, recipe: Recipe = RECIPE) -> list[tuple[Tensor, Tensor]]:
    """The images and targets of each step of `train`, for loops written out by hand."""
    data = task()
    order = torch.from_numpy(stream(SEED, "order", epoch).permutation(IMAGES))
    return [
        (evaluation_view(data.images[rows], SIZE), data.targets[rows])
        for rows in order.split(recipe.batch_size)
    ]


def snapshot(network: torch.nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def moved(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    """The entries of a network's state that changed in any bit."""
    return {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
