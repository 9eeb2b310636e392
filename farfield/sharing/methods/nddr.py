"""NDDR-CNN: layerwise feature fusing (Gao et al., CVPR 2019, arXiv 1801.08297)."""

import torch
from torch import Tensor, nn

from farfield.sharing.methods.network import (
    Columns,
    NetworkSettings,
    Tasks,
    initial_mixture,
    unit_channels,
)


class NDDR(Columns):
    """A backbone for each task; after the stem and each stage the maps of all K tasks are concatenated,
    and a 1x1 convolution from K C to C channels, BatchNorm and ReLU give each task its own next input.

    own: weight of a task's own channels at the start, on the diagonal; the other tasks share 1 - own.
    norm: without it the layers start as the identity where own is 1. scale: of the fusion's learning
    rate; the paper's 100 belongs to SGD and trained single-task networks, here Adam starts from scratch.
    """

    def __init__(
        self,
        tasks: Tasks,
        settings: NetworkSettings,
        own: float = 0.9,
        norm: bool = True,
        scale: float = 1.0,
    ) -> None:
        super().__init__(tasks, settings)
        self.scale = scale
        units = unit_channels(self.trunks[0])
        self.fusions = nn.ModuleList(_fusion(len(tasks), channels, own, norm) for channels in units)

    def fuse(self, unit: int, columns: list[Tensor]) -> list[Tensor]:
        return [*self.fusions[unit](torch.cat(columns, dim=1)).chunk(len(columns), dim=1)]


def _fusion(tasks: int, channels: int, own: float, norm: bool) -> nn.Module:
    """The layers of all tasks as one, [n, K C, h, w] to [n, K C, h, w]: one convolution instead of K."""
    convolution = nn.Conv2d(tasks * channels, tasks * channels, 1, bias=False)
    first = torch.kron(initial_mixture(tasks, own), torch.eye(channels))
    convolution.weight.data.copy_(first[:, :, None, None])
    return nn.Sequential(convolution, nn.BatchNorm2d(tasks * channels) if norm else nn.Identity(), nn.ReLU())
