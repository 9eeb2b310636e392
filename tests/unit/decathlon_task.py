"""A pretrained network and a task for the methods of the decathlon, small enough to train in a blink."""

import numpy as np
import torch
from torch import nn

from farfield.backbones import build
from farfield.networks.adapters import with_adapters
from farfield.training.loop import LabelledImages
from farfield.training.recipe import Augmentation, Recipe
from farfield.tuning.adapted import fit_adapted

CPU = torch.device("cpu")
CLASSES = 3
IMAGES = torch.randn(6, 3, 16, 16, generator=torch.Generator().manual_seed(0))
TARGETS = torch.arange(6) % CLASSES
SGD = Recipe(
    epochs=3,
    batch_size=6,
    optimizer="sgd",
    learning_rate=0.05,
    weight_decay=1e-4,
    augmentation=Augmentation(crop="random", jitter=0, flip=0),
)


def pretrained(name="resnet8", adapters=None):
    """A narrow network with BatchNorm that has learnt and statistics that have moved."""
    torch.manual_seed(1)
    backbone = build(name, width=8)
    if adapters:
        with_adapters(backbone, adapters, seed=1)
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
    for _ in range(3):
        backbone(torch.randn(4, 3, 16, 16))
    return backbone.eval()


def squares():
    images = np.random.default_rng(0).integers(0, 256, (12, 20, 20, 3), dtype=np.uint8)
    return LabelledImages(torch.from_numpy(images), torch.arange(12), torch.arange(12) % CLASSES)


def train(adapted, recipe=SGD, checkpoint=None):
    fit_adapted(adapted, squares(), recipe, image_size=16, seed=3, device=CPU, checkpoint=checkpoint)
    return adapted.network


def changed(network, before):
    """Names of the state that differs from `before`."""
    after = network.state_dict()
    return {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}


def norms_of(network):
    """Names of the parameters of BatchNorm."""
    return {
        f"{name}.{kind}"
        for name, module in network.named_modules()
        if isinstance(module, nn.BatchNorm2d)
        for kind in ("weight", "bias")
    }
