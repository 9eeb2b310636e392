"""The tasks' losses as one objective, and the guard between it and the weights."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from farfield.errors import InputError
from farfield.sharing.tasks import Task
from farfield.sharing.tasks.resolution import to_prediction


@dataclass(frozen=True)
class Objective:
    """tasks: the K tasks in the order of the study. weights: of the loss of each, lambda."""

    tasks: Mapping[str, Task]
    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        if set(self.tasks) != set(self.weights):
            raise InputError(
                f"each task needs a weight of its loss: the tasks are {', '.join(self.tasks)}, the weights "
                f"are for {', '.join(self.weights) or 'none'}"
            )

    def losses(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        """[K], each at the size of its prediction."""
        values = []
        for name, task in self.tasks.items():
            given = predictions[name].float()
            values.append(task.loss(given, to_prediction(targets[name], given.shape[-2:])))
        return torch.stack(values)

    def lambdas(self, device: torch.device) -> Tensor:
        """The weights [K]; sum_k lambda_k L_k is `losses @ lambdas`."""
        return torch.tensor([float(self.weights[name]) for name in self.tasks], device=device)


def fetch(values: Tensor) -> Callable[[], list[float]]:
    """Start to copy numbers [n] from the device; the function returned waits for them and gives them.

    It does not wait for what the device was asked to do since: the backward pass runs on.
    """
    if values.device.type != "cuda":
        return values.tolist
    host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    host.copy_(values.detach(), non_blocking=True)
    copied = torch.cuda.Event()
    copied.record()

    def read() -> list[float]:
        copied.synchronize()
        return host.tolist()

    return read


def check_finite(losses: Sequence[float], objective: Objective, iteration: int) -> None:
    """InputError if one of the tasks' losses, or of the further terms after them in `losses`, is not
    finite."""
    if all(map(math.isfinite, losses)):
        return
    names = [*objective.tasks, *["a further term"] * (len(losses) - len(objective.tasks))]
    found = ", ".join(f"{name} {value}" for name, value in zip(names, losses, strict=True))
    raise InputError(
        f"a loss is not finite in iteration {iteration + 1} ({found}); the weights are still those before "
        f"it. Lower the learning rates, or look for impossible values in the targets of that task"
    )


def means(names: Sequence[str], figures: Sequence[Sequence[float]]) -> dict[str, float]:
    """The mean over steps of figures [steps][names, or more]."""
    columns = zip(*figures, strict=True)
    return {name: round(sum(column) / len(figures), 6) for name, column in zip(names, columns, strict=False)}
