"""The one loop of training: step after step, a row of the curve now and then, the best weights, checkpoints.

What a step is, an epoch or one batch, is the caller's. If every draw and rate of it is a function of its
number, a run that goes on from a checkpoint ends with the bytes of one that never stopped.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn
from tqdm import tqdm

from farfield.training import distributed
from farfield.training.checkpoints import restore_state, save_state

Row = dict[str, Any]  # of numbers, but for what a family shows of its own
Curve = list[Row]
Figures = TypeVar("Figures")


def train_steps(
    network: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    steps: int,
    step: Callable[[int], Figures],
    row: Callable[[int, list[Figures]], Row],
    *,
    ends_row: Callable[[int], bool] = lambda done: True,
    beside: Mapping[str, nn.Module] | None = None,
    validate: Callable[[nn.Module], Row] | None = None,
    select: str | None = None,
    checkpoint: Path | None = None,
    checkpoint_every: int = 1,
    title: str = "training",
    unit: str = "step",
) -> Curve:
    """Call `step` with the number of each step from 0 that is still to come; return the rows.

    step: returns figures that JSON can hold. row: of the number of steps done and the figures of those
    since the row before. ends_row: whether there is a row after so many steps. beside: further modules
    whose state is in the checkpoint. validate: called for each row on the first rank, its figures join
    the row. select: the figure whose first highest row gives the weights that `network` has at the end;
    None keeps the last ones. checkpoint: written every `checkpoint_every` steps and at the end; if it
    exists, the training goes on from it. unit: what a step is called, and its number in a row.
    """
    modules = {"model": network, **(beside or {})}
    curve: Curve = []
    pending: list[Figures] = []  # of the steps since the last row
    best: dict[str, torch.Tensor] = {}
    start = 0
    if checkpoint and checkpoint.exists():
        facts, best = restore_state(checkpoint, modules, optimizers)
        start, curve, pending = facts["done"], facts["curve"], facts["pending"]
    first = distributed.rank() == 0
    progress = tqdm(
        range(start, steps), title, steps, initial=start, unit=unit, file=sys.stderr, disable=not first
    )
    for number in progress:
        pending.append(step(number))
        done = number + 1
        if ends_row(done):
            figures = row(done, pending)
            if validate is not None and first:
                figures |= validate(network)
            distributed.barrier()
            if select in figures and all(figures[select] > earlier[select] for earlier in curve):
                best = {name: tensor.clone() for name, tensor in network.state_dict().items()}
            curve.append(figures)
            pending = []
            shown = {name: value for name, value in figures.items() if isinstance(value, int | float)}
            progress.set_postfix({name: f"{value:.3g}" for name, value in shown.items() if name != unit})
        if checkpoint and first and (done == steps or done % checkpoint_every == 0):
            facts = {"done": done, "curve": curve, "pending": pending}
            save_state(checkpoint, modules, optimizers, facts, best)
    if best:
        network.load_state_dict(best)
    return curve
