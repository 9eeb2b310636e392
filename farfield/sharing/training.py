"""The iterations that all multi-task networks are trained with.

Batches, augmentation and dropout are keyed by (seed, iteration), and the learning rate is a function of
it: a run that goes on from a checkpoint ends with the bytes of one that never stopped.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from farfield.sharing.batches import Batches, seed_networks
from farfield.sharing.dense import DenseImages
from farfield.sharing.methods.network import TaskNetwork
from farfield.sharing.objective import Objective, check_finite, fetch, means
from farfield.sharing.recipe import DenseRecipe
from farfield.sharing.weighting.weighting import Weighting
from farfield.training.devices import autocast
from farfield.training.steps import Curve, Row, train_steps


def fit(
    network: TaskNetwork,
    data: DenseImages,
    objective: Objective,
    weighting: Weighting,
    recipe: DenseRecipe,
    *,
    seed: int,
    device: torch.device,
    validate: Callable[[nn.Module], Row] | None = None,
    validate_every: int = 0,
    select: str | None = None,
    checkpoint: Path | None = None,
    checkpoint_every: int = 1000,
    title: str = "training",
) -> Curve:
    """Train `network` in place; return a row for every `validate_every` iterations and for the last one.

    A row has the iteration, the mean loss of each task since the row before, the weighting's figures and
    those that `validate` returns. select: the figure whose first highest row gives the weights that `network` has
    at the end; None keeps the last ones. checkpoint: written every `checkpoint_every` iterations and at
    the end; if it exists, the training continues from it, which may have been that of a recipe with
    fewer iterations. InputError if a loss is not finite, before the weights take it in.
    """
    network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    weighting.to(device)
    optimizer = torch.optim.Adam(
        network.parameter_groups() + weighting.parameter_groups(),
        betas=recipe.betas,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    batches = Batches(data, recipe.batch_size, recipe.augmentation, seed, "train")
    names = [f"loss_{task}" for task in objective.tasks]

    def step(iteration: int) -> list[float]:
        network.train()
        set_rates(
            optimizer,
            head=recipe.decayed(recipe.head_rate, iteration),
            backbone=recipe.decayed(recipe.backbone_rate, iteration),
        )
        seed_networks(device, seed, "network", iteration)
        images, targets = batches.batch(iteration, device)
        with autocast(device, recipe.precision):
            predictions = network(images)
        losses = objective.losses(predictions, targets)
        penalty = network.penalty()
        read = fetch(losses if penalty is None else torch.cat([losses, penalty[None]]))
        optimizer.zero_grad(set_to_none=True)
        weighting.backward(losses, penalty, network, iteration)
        figures = read()
        check_finite(figures, objective, iteration)
        optimizer.step()
        return figures

    return train_steps(
        network,
        [optimizer],
        recipe.iterations,
        step,
        lambda done, steps: {"iteration": float(done), **means(names, steps), **weighting.figures()},
        ends_row=lambda done: (
            done == recipe.iterations or (validate_every > 0 and done % validate_every == 0)
        ),
        beside={"weighting": weighting},
        validate=validate,
        select=select,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        title=title,
        unit="iteration",
    )


def set_rates(optimizer: torch.optim.Optimizer, *, head: float, backbone: float) -> None:
    """Learning rates of the groups of a `TaskNetwork` and its weighting, by their kind and scale."""
    for group in optimizer.param_groups:
        group["lr"] = (head if group["kind"] == "head" else backbone) * group.get("scale", 1.0)
