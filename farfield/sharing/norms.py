"""BatchNorm for a batch in which several tasks lie one after another.

The tasks of a multi-task network go through the same convolutions, each with its own activations. To run
them as one batch, BatchNorm must not mix their statistics: it normalises each group of the batch on its
own (the "ghost" batches of Hoffer et al., arXiv 1705.08741), and so computes what a forward pass for
each task would.
"""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Which tasks the equal parts of a batch stand for, in the batch's order: ((0, 2), (1,)) is a batch of two
# groups, the first of which tasks 0 and 2 have in common. Each task at most once.
Groups = tuple[tuple[int, ...], ...]
ONE_TASK: Groups = ((0,),)


def one_group(tasks: int) -> Groups:
    """A batch that all tasks have in common."""
    return (tuple(range(tasks)),)


def group_each(tasks: int) -> Groups:
    """A batch in which each task has a part of its own."""
    return tuple((task,) for task in range(tasks))


@lru_cache(maxsize=1024)
def momenta(groups: Groups, momentum: float) -> tuple[float, ...]:
    """The momentum of each group's update of running statistics, one group after another, that leaves
    what updates with `momentum` task after task leave, in the order of the tasks' numbers.

    For a group that stands alone for K tasks it is 1 - (1 - momentum)^K.
    """
    order = sorted(task for group in groups for task in group)
    last = len(order) - 1
    share = {task: momentum * (1 - momentum) ** (last - place) for place, task in enumerate(order)}
    # A group's statistics are to end with the sum of its tasks' shares; what later groups take from
    # every earlier one is made good beforehand.
    found: list[float] = []
    kept = 1.0
    for group in reversed(groups):
        found.append(sum(share[task] for task in group) / kept)
        kept *= 1 - found[-1]
    return tuple(reversed(found))


class TaskNorm2d(nn.BatchNorm2d):
    """BatchNorm over the groups of a batch [G * n, C, h, w], each with its own batch statistics.

    sets: 1: all tasks share weight, bias and running statistics [C], which are updated as if the tasks
        had come one after another. K: each of K tasks has its own, [K, C]; then a group is of one task.

    In evaluation the statistics are the running ones. Called without groups it is plain BatchNorm, of
    task 0 if tasks have their own.
    """

    weight: nn.Parameter
    bias: nn.Parameter
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def __init__(self, channels: int, sets: int = 1) -> None:
        super().__init__(channels)
        self.sets = sets
        if sets > 1:
            self.weight = nn.Parameter(torch.ones(sets, channels))
            self.bias = nn.Parameter(torch.zeros(sets, channels))
            self.running_mean = torch.zeros(sets, channels)
            self.running_var = torch.ones(sets, channels)

    def forward(self, x: Tensor, groups: Groups = ONE_TASK) -> Tensor:
        if self.training:
            self.num_batches_tracked += sum(len(group) for group in groups)
        if self.sets == 1 and (len(groups) == 1 or not self.training):
            return self._normalise(x, momenta(groups, self.momentum)[0])
        parts = x.chunk(len(groups))
        if self.sets == 1:
            steps = momenta(groups, self.momentum)
            outputs = [self._normalise(part, step) for part, step in zip(parts, steps, strict=True)]
        else:
            outputs = [self._of_task(part, group) for part, group in zip(parts, groups, strict=True)]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs)

    def _normalise(self, x: Tensor, momentum: float) -> Tensor:
        return F.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            momentum,
            self.eps,
        )

    def _of_task(self, x: Tensor, group: Sequence[int]) -> Tensor:
        (task,) = group
        return F.batch_norm(
            x,
            self.running_mean[task],
            self.running_var[task],
            self.weight[task],
            self.bias[task],
            self.training,
            self.momentum,
            self.eps,
        )

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, sets={self.sets}"
