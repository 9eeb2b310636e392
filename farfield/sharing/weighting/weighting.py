"""What a loss weighting is: the step from the losses of K tasks to the gradients of one network."""

from typing import Any

import torch
from torch import Tensor, nn

from farfield.sharing.methods.network import TaskNetwork
from farfield.sharing.objective import Objective


class Weighting(nn.Module):
    """A weighting defines `backward`. It is a module: what it learns or keeps stands in its state, which
    is in the checkpoint of a training.

    objective: the tasks with their fixed weights lambda, the buffer `lambdas` [K]. seed: of its draws.
    """

    lambdas: Tensor

    def __init__(self, objective: Objective, seed: int) -> None:
        super().__init__()
        self.tasks, self.seed = objective.tasks, seed
        self.register_buffer("lambdas", objective.lambdas(torch.device("cpu")), persistent=False)

    def backward(self, losses: Tensor, penalty: Tensor | None, network: TaskNetwork, iteration: int) -> None:
        """Leave in `grad` of all parameters what the optimizer steps by; before, there is none.

        losses: [K]. penalty: the network's further term, whose weight is 1 in every weighting.
        iteration: from 0.
        """
        raise NotImplementedError

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What the optimizer trains beside the network, in groups of the kind `weighting`. Their learning
        rate is the backbone's times the group's `scale`, 1 by default."""
        return []

    def figures(self) -> dict[str, float]:
        """What it adds to a row of the training curve."""
        return {}
