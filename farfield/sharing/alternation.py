"""What searches have in common in which a network's weights and logits take turns."""

import torch
from torch import Tensor

from farfield.sharing.batches import Batches
from farfield.sharing.dense import DenseImages
from farfield.sharing.methods.network import TaskNetwork
from farfield.sharing.objective import Objective, check_finite, fetch
from farfield.sharing.recipe import SearchRecipe
from farfield.sharing.training import set_rates


def turn_batches(
    parts: tuple[DenseImages, DenseImages], recipe: SearchRecipe, seed: int, logits: str
) -> dict[bool, Batches]:
    """By whether it is the weights' turn: they learn from the first part, and the logits, by whose name their
    draws are keyed, from the second."""
    return {
        on_weights: Batches(part, recipe.batch_size, recipe.augmentation, seed, key)
        for part, on_weights, key in zip(parts, (True, False), ("weights", logits), strict=True)
    }


def weight_optimizer(network: TaskNetwork, recipe: SearchRecipe) -> torch.optim.Optimizer:
    optimizer = torch.optim.SGD(
        network.parameter_groups(),
        lr=recipe.backbone_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    set_rates(optimizer, head=recipe.head_rate, backbone=recipe.backbone_rate)
    return optimizer


def descend(
    losses: Tensor, lambdas: Tensor, optimizer: torch.optim.Optimizer, objective: Objective, step: int
) -> list[float]:
    """One step along the tasks' losses [K] weighed by `lambdas` [K]; returns the losses. InputError if one is not
    finite, before anything takes it in."""
    read = fetch(losses)
    optimizer.zero_grad(set_to_none=True)
    (losses @ lambdas).backward()
    figures = read()
    check_finite(figures, objective, step)
    optimizer.step()
    return figures
