"""The network of R2-D2 (Bertinetto et al., arXiv 1805.08136, and the released code)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.backbones.backbone import Backbone, maps_after


class R2D2Network(Backbone):
    """Four times conv 3x3 with bias, BatchNorm, max-pool 2, LeakyReLU 0.1, of widths 96, 192, 384 and 512
    times width / 64; dropout 0.1 after the last two. The last block pools with stride 1. Features are its
    map beside that of the third, pooled once more with stride 1. At width 64: 2,605,056 parameters, 72,576
    features from 84 px."""

    def __init__(self, width: int = 64, image_size: int = 84) -> None:
        super().__init__()
        widths = [width * times // 64 for times in (96, 192, 384, 512)]
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, after, 3, padding=1),
                nn.BatchNorm2d(after),
                nn.MaxPool2d(2, stride=1 if i == 3 else 2),
                nn.LeakyReLU(0.1),
                *([nn.Dropout(0.1)] if i > 1 else []),
            )
            for i, (before, after) in enumerate(zip([3, *widths], widths, strict=False))
        )
        self.stage_dims = tuple(widths)
        self.feature_dim = (widths[2] + widths[3]) * (image_size // 8 - 1) ** 2

    def stages(self, images: Tensor) -> list[Tensor]:
        return maps_after(self.blocks, images)

    def pool(self, last: Tensor) -> Tensor:
        return last.flatten(1)

    def forward(self, images: Tensor) -> Tensor:
        return self.outputs(images)[0]

    def outputs(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        maps = self.stages(images)
        third = F.max_pool2d(maps[2], 2, stride=1)
        return torch.cat([third.flatten(1), maps[3].flatten(1)], dim=1), maps
