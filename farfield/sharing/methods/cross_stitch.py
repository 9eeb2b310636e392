"""Cross-Stitch networks (Misra et al., CVPR 2016, arXiv 1604.03539)."""

import torch
from torch import Tensor, nn

from farfield.sharing.methods.network import (
    Columns,
    NetworkSettings,
    Tasks,
    initial_mixture,
    unit_channels,
)


class CrossStitch(Columns):
    """A backbone for each task; after each stage their maps x_j are mixed, channel by channel:
    x_i' = sum_j alpha_ij * x_j, alpha_ij in R^C (equation 2 of the paper, with one unit a channel).

    own: alpha_ii at the start; the other tasks share 1 - own. stem: also mix after the stem. scale: of the
    learning rate of alpha; the large ones of the literature belong to SGD, Adam's step has no scale.
    """

    def __init__(
        self,
        tasks: Tasks,
        settings: NetworkSettings,
        own: float = 0.9,
        stem: bool = False,
        scale: float = 1.0,
    ) -> None:
        super().__init__(tasks, settings)
        self.scale = scale
        units = unit_channels(self.trunks[0])
        first = initial_mixture(len(tasks), own)
        self.alphas = nn.ParameterDict(
            {
                str(unit): nn.Parameter(first[:, :, None].repeat(1, 1, channels))  # [to, from, C]
                for unit, channels in enumerate(units)
                if unit > 0 or stem
            }
        )

    def fuse(self, unit: int, columns: list[Tensor]) -> list[Tensor]:
        if str(unit) not in self.alphas:
            return columns
        mixed = torch.einsum("ijc,jnchw->inchw", self.alphas[str(unit)], torch.stack(columns))
        return [*mixed.unbind()]
