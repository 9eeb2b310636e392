"""Stochastic depth (Huang et al., arXiv 1603.09382) for each task of one shared backbone."""

import torch
from torch import Tensor

from farfield.errors import InputError
from farfield.sharing.execution import hard_features, soft_features
from farfield.sharing.methods.adashare import AdaShare
from farfield.sharing.methods.network import NetworkSettings, Tasks


class StochasticDepth(AdaShare):
    """In training each task skips blocks at random, anew in every step.

    Block l of L survives with p_l = 1 - (1 - lowest) l / L. In evaluation all blocks run, and a block's
    output is the mean of executing and skipping it, p_l relu(r + F) + (1 - p_l) r.
    """

    def __init__(self, tasks: Tasks, settings: NetworkSettings, lowest: float = 0.5) -> None:
        super().__init__(tasks, settings)
        if not 0 < lowest <= 1:
            raise InputError(f"lowest, the survival of the last block, must be in (0, 1], found {lowest}")
        blocks = self.runs.shape[1]
        self.survival = 1 - (1 - lowest) * torch.arange(1, blocks + 1) / blocks

    def features(self, images: Tensor) -> list[Tensor]:
        tasks, blocks = self.runs.shape
        if self.training:
            # By torch's global generator, which training keys by iteration, as it does for dropout.
            runs = torch.rand(tasks, blocks) < self.survival
            return hard_features(self.trunks[0], images, runs)
        mix = torch.stack([self.survival, 1 - self.survival], dim=-1).to(images)
        ways = 1 if self.one_for_all else tasks
        features = soft_features(self.trunks[0], images, mix.expand(ways, blocks, 2), blocks)
        return features * (tasks // ways)
