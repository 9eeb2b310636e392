"""The state of a training on disk: modules, optimizers and the facts of its progress."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from farfield.training.checkpoints import (
    load_tensors,
    optimizer_tensors,
    restore_optimizer,
    save_tensors,
    subset,
)


def save_state(
    path: Path,
    modules: Mapping[str, nn.Module],
    optimizers: Sequence[torch.optim.Optimizer],
    facts: dict[str, Any],
    best: Mapping[str, Tensor],
) -> None:
    """best: tensors that are kept as they are, of an earlier state of a module."""
    state = {f"best.{name}": tensor for name, tensor in best.items()}
    for part, module in modules.items():
        state |= {f"{part}.{name}": tensor for name, tensor in module.state_dict().items()}
    for number, optimizer in enumerate(optimizers):
        tensors = optimizer_tensors(optimizer)
        state |= {f"{number}.{name}": tensor for name, tensor in tensors.items()}
    save_tensors(path, state, facts)


def restore_state(
    path: Path, modules: Mapping[str, nn.Module], optimizers: Sequence[torch.optim.Optimizer]
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Put back what `save_state` wrote; returns the facts and the best tensors."""
    tensors, facts = load_tensors(path)
    for part, module in modules.items():
        module.load_state_dict(subset(tensors, f"{part}."))
    for number, optimizer in enumerate(optimizers):
        restore_optimizer(optimizer, subset(tensors, f"{number}."))
    return facts, subset(tensors, "best.")
