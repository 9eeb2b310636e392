"""The loop over iterations that all multi-task networks are trained with.

Batches, augmentation and dropout are keyed by (seed, iteration), and the learning rate is a function of
it: a run that goes on from a checkpoint ends with the bytes of one that never stopped.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from farfield.sharing.batches import Batches, seed_networks
from farfield.sharing.dense import DenseImages
from farfield.sharing.methods.network import TaskNetwork
from farfield.sharing.objective import Objective, check_finite, fetch, means
from farfield.sharing.recipe import DenseRecipe
from farfield.sharing.resuming import restore_state, save_state
from farfield.sharing.weighting.weighting import Weighting
from farfield.training.devices import autocast

Row = dict[str, float]
Curve = list[Row]


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
    modules = {"model": network, "weighting": weighting}
    batches = Batches(data, recipe.batch_size, recipe.augmentation, seed, "train")
    names = [f"loss_{task}" for task in objective.tasks]
    curve: Curve = []
    pending: list[list[float]] = []  # losses of the iterations since the last row
    best: dict[str, Tensor] = {}
    start = 0
    if checkpoint and checkpoint.exists():
        facts, best = restore_state(checkpoint, modules, [optimizer])
        start, curve, pending = facts["iteration"], facts["curve"], facts["pending"]
    progress = tqdm(
        range(start, recipe.iterations),
        initial=start,
        total=recipe.iterations,
        desc=title,
        file=sys.stderr,
    )
    for iteration in progress:
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
        pending.append(figures)
        done = iteration + 1
        if done == recipe.iterations or (validate_every and done % validate_every == 0):
            row = {"iteration": float(done), **means(names, pending), **weighting.figures()}
            if validate is not None:
                row |= validate(network)
            if select in row and all(row[select] > earlier[select] for earlier in curve):
                best = {name: tensor.clone() for name, tensor in network.state_dict().items()}
            curve.append(row)
            pending = []
            progress.set_postfix({name: f"{figure:.3g}" for name, figure in row.items()})
        if checkpoint and (done == recipe.iterations or done % checkpoint_every == 0):
            facts = {"iteration": done, "curve": curve, "pending": pending}
            save_state(checkpoint, modules, [optimizer], facts, best)
    if best:
        network.load_state_dict(best)
    return curve


def set_rates(optimizer: torch.optim.Optimizer, *, head: float, backbone: float) -> None:
    """Learning rates of the groups of a `TaskNetwork` and its weighting, by their kind and scale."""
    for group in optimizer.param_groups:
        group["lr"] = (head if group["kind"] == "head" else backbone) * group.get("scale", 1.0)
