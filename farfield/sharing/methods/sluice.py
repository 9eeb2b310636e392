"""Sluice networks (Ruder et al., AAAI 2019, arXiv 1705.08142), for residual networks."""

import torch
from torch import Tensor, nn

from farfield.errors import InputError
from farfield.sharing.methods.network import Columns, NetworkSettings, Tasks, check_own

SUBSPACES = 2


class Sluice(Columns):
    """A backbone for each task, whose maps are split into two subspaces of channels.

    After each stage the 2 K subspaces are mixed by one matrix alpha [2K, 2K] (equation 2). The head of a
    task reads a mixture beta of its layers (equation 4); here of the blocks of the last stage, since maps
    of other stages would need projections, for which the published parameter count leaves no room. The
    two subspaces of a layer are kept apart by the penalty ||G1 G2^T||_F^2 on its weights (equation 3), of
    the last convolution of each stage.

    own: share of a subspace in itself, in alpha, and of the last block in beta, at the start; the others
    share 1 - own. penalty_weight: 0.1 in the released code. scale: of the learning rate of alpha and beta.
    """

    def __init__(
        self,
        tasks: Tasks,
        settings: NetworkSettings,
        own: float = 0.9,
        penalty_weight: float = 0.1,
        scale: float = 1.0,
    ) -> None:
        super().__init__(tasks, settings)
        check_own(own)
        self.scale, self.penalty_weight = scale, penalty_weight
        if settings.width % SUBSPACES:
            raise InputError(
                f"sluice networks split channels in two: width must be even, found {settings.width}"
            )
        stages = self.trunks[0].stages
        count = SUBSPACES * len(tasks)
        others = torch.full((count, count), (1 - own) / (count - 1))
        self.alphas = nn.Parameter(others.fill_diagonal_(own).repeat(len(stages), 1, 1))  # [stage, to, from]
        layers = len(stages[-1])
        first = torch.full((layers,), (1 - own) / max(layers - 1, 1))
        first[-1] = own if layers > 1 else 1.0
        self.betas = nn.Parameter(first.repeat(len(tasks), 1))

    def features(self, images: Tensor) -> list[Tensor]:
        *earlier, last = range(len(self.alphas))
        columns = [backbone.stem(images) for backbone in self.trunks]
        for stage in earlier:
            maps = zip(self.trunks, columns, strict=True)
            columns = self.fuse(stage, [backbone.run_stage(stage, x) for backbone, x in maps])
        layers: list[list[Tensor]] = []  # of the last stage, by block and task
        for block in self.trunks[0].stages[last]:
            maps = zip(self.trunks, columns, strict=True)
            columns = [backbone.run_block(block, x) for backbone, x in maps]
            layers.append(columns)
        layers[-1] = self.fuse(last, columns)
        return [
            torch.einsum("l,lnchw->nchw", beta, torch.stack(maps))
            for beta, *maps in zip(self.betas, *layers, strict=True)
        ]

    def fuse(self, unit: int, columns: list[Tensor]) -> list[Tensor]:
        """The columns after a stage, numbered from 0, with their subspaces mixed."""
        tasks, (n, channels, height, width) = len(columns), columns[0].shape
        subspaces = torch.stack(columns, dim=1).reshape(n, tasks * SUBSPACES, -1)
        mixed = torch.matmul(self.alphas[unit], subspaces)
        return [*mixed.view(n, tasks, channels, height, width).unbind(dim=1)]

    def penalty(self) -> Tensor:
        weights = [
            backbone.blocks[blocks[-1]].get_parameter("conv2.weight")
            for backbone in self.trunks
            for blocks in backbone.stages
        ]
        return self.penalty_weight * torch.stack([orthogonality(weight) for weight in weights]).sum()


def orthogonality(weight: Tensor) -> Tensor:
    """||G1 G2^T||_F^2 of a convolution's weight [C, ...], whose halves of C as rows are G1 and G2."""
    first, second = weight.flatten(1).chunk(SUBSPACES)
    return (first @ second.T).square().sum()  # not the norm, whose gradient at 0 is NaN
