"""Weights from the tasks' own uncertainty (Kendall, Gal and Cipolla, CVPR 2018, arXiv 1705.07115)."""

from typing import Any

import torch
from torch import Tensor, nn

from farfield.errors import InputError
from farfield.sharing.methods.network import TaskNetwork
from farfield.sharing.objective import Objective
from farfield.sharing.weighting.weighting import Weighting


class Uncertainty(Weighting):
    """Each task has an observation noise sigma, which is trained with the network.

    With s = log sigma^2, the trained parameter, the objective is the sum over tasks of
        exp(-s) L / 2 + s / 2    for regression (equation 7; a Gaussian's likelihood), and
        exp(-s) L + s / 2        for classification (equation 10; a softmax at temperature sigma^2).
    Segmentation is a classification, all other tasks are regressions, those with an absolute or a cosine
    loss too: the paper keeps the form for its absolute losses. The study's fixed weights have no part.

    initial: s of all tasks at the start; 0 is sigma = 1. scale: of the learning rate of s, times the
    backbone's. s has no weight decay, which would pull every sigma to 1.
    """

    def __init__(self, objective: Objective, seed: int, initial: float = 0.0, scale: float = 1.0) -> None:
        super().__init__(objective, seed)
        if scale <= 0:
            raise InputError(f"scale of uncertainty weighting must be above 0, found {scale}")
        self.scale = scale
        self.log_variances = nn.Parameter(torch.full((len(self.tasks),), float(initial)))
        halves = [1.0 if task.classification else 0.5 for task in self.tasks.values()]
        self.register_buffer("factors", torch.tensor(halves), persistent=False)

    def value(self, losses: Tensor) -> Tensor:
        """The objective of losses [K]."""
        factors = self.get_buffer("factors")
        return (factors * torch.exp(-self.log_variances) * losses + self.log_variances / 2).sum()

    def backward(self, losses: Tensor, penalty: Tensor | None, network: TaskNetwork, iteration: int) -> None:
        value = self.value(losses)
        (value if penalty is None else value + penalty).backward()

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [
            {"params": [self.log_variances], "kind": "weighting", "scale": self.scale, "weight_decay": 0.0}
        ]

    def figures(self) -> dict[str, float]:
        values = zip(self.tasks, self.log_variances.tolist(), strict=True)
        return {f"log_variance_{task}": round(value, 6) for task, value in values}
