"""Relatives of Conv4 in the tables on miniImageNet. Widths are those of 64 times `width` / 64."""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from farfield.backbones.backbone import Backbone, maps_after


class Convolutions(Backbone):
    """Four times conv 3x3, BatchNorm, ReLU, max-pool 2; the last map is flattened.

    widths: of the blocks. bias: of the convolutions. padded, pooled: which blocks pad their image and which
    pool. last_activation: whether the last block has a ReLU. Weights start from N(0, 2 / (9 * width)), as
    in the code of MetaOptNet and of "Dynamic few-shot visual learning without forgetting"."""

    def __init__(
        self,
        widths: Sequence[int],
        image_size: int,
        *,
        bias: bool = False,
        padded: Sequence[bool] = (True,) * 4,
        pooled: Sequence[bool] = (True,) * 4,
        last_activation: bool = True,
    ) -> None:
        super().__init__()
        blocks, size = [], image_size
        for i, width in enumerate(widths):
            conv = nn.Conv2d(3 if i == 0 else widths[i - 1], width, 3, padding=int(padded[i]), bias=bias)
            nn.init.normal_(conv.weight, 0, math.sqrt(2 / (9 * width)))
            layers: list[nn.Module] = [conv, nn.BatchNorm2d(width)]
            if last_activation or i + 1 < len(widths):
                layers.append(nn.ReLU())
            size -= 0 if padded[i] else 2
            if pooled[i]:
                layers.append(nn.MaxPool2d(2))
                size //= 2
            blocks.append(nn.Sequential(*layers))
        self.blocks = nn.ModuleList(blocks)
        self.stage_dims = tuple(widths)
        self.feature_dim = widths[-1] * size**2

    def stages(self, images: Tensor) -> list[Tensor]:
        return maps_after(self.blocks, images)

    def pool(self, last: Tensor) -> Tensor:
        return last.flatten(1)


def conv4_plain(width: int = 64, image_size: int = 84) -> Convolutions:
    """Without biases before BatchNorm (MetaOptNet, arXiv 1904.03758): 112,832 parameters."""
    return Convolutions((width,) * 4, image_size)


def conv4_widening(width: int = 64, image_size: int = 84) -> Convolutions:
    """64-96-128-256 with biases, the label of RelationNet in MetaOptNet's Table 1: 464,160 parameters. No
    code of RelationNet that we know has these widths; `conv4_relation` is what its authors released."""
    widths = (width, width * 3 // 2, 2 * width, 4 * width)
    return Convolutions(widths, image_size, bias=True)


def conv4_dynamic(width: int = 64, image_size: int = 84) -> Convolutions:
    """64-64-128-128 without biases and without a ReLU in the last block, so that a cosine sees negative
    features (Gidaris and Komodakis, arXiv 1804.09458): 260,544 parameters, 3,200 features from 84 px."""
    widths = (width, width, 2 * width, 2 * width)
    return Convolutions(widths, image_size, last_activation=False)


def conv4_relation(width: int = 64, image_size: int = 84) -> Convolutions:
    """The encoder that RelationNet's authors released: the first two blocks do not pad, the last two do not
    pool, so that 84 px leave a map of 19 x 19. 113,088 parameters."""
    ends = (False, False, True, True)
    return Convolutions((width,) * 4, image_size, bias=True, padded=ends, pooled=(True, True, False, False))
