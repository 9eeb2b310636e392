"""The optimizers that a recipe can name."""

import torch
from torch import nn

from farfield.training.recipe import Recipe


def make_optimizer(recipe: Recipe, parameters: list[nn.Parameter] | list[dict]) -> torch.optim.Optimizer:
    """The recipe's optimizer. A parameter group may carry `scale`, which multiplies its learning rate."""
    if recipe.optimizer == "adam":
        return torch.optim.Adam(
            parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
        )
    return torch.optim.SGD(
        parameters,
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
        fused=True,
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = value * group.get("scale", 1.0)
