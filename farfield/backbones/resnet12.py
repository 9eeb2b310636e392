"""The forms of ResNet-12 in few-shot learning: four blocks of three convolutions, each block halving its map."""

from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor, nn

from farfield.backbones.backbone import Backbone, maps_after

Activation = Callable[[], nn.Module]


class Block12(nn.Module):
    """3 x [conv 3x3, BatchNorm], an activation after each but, unless `thrice`, the last; a shortcut of conv 1x1,
    with BatchNorm unless `thrice`; their sum, activated unless `thrice`; max-pool 2 if `pooled`."""

    def __init__(
        self,
        before: int,
        after: int,
        activation: Activation,
        norm: Callable[[int], nn.Module],
        pooled: nn.Module,
        thrice: bool,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i in range(3):
            layers += [nn.Conv2d(before if i == 0 else after, after, 3, padding=1, bias=False), norm(after)]
            layers += [activation()] if thrice or i < 2 else []
        self.path = nn.Sequential(*layers)
        shortcut = nn.Conv2d(before, after, 1, bias=False)
        self.shortcut = shortcut if thrice else nn.Sequential(shortcut, norm(after))
        self.end = nn.Sequential(*([] if thrice else [activation()]), pooled)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="leaky_relu")

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.path(x) + self.shortcut(x))


class ResNet12(Backbone):
    """widths: of the blocks. activation: LeakyReLU 0.1 by default. average: whether features are the mean over
    positions; else the map is flattened. pools: how many blocks, from the first, pool; ceil: whether they round
    sizes up. thrice: the activation stands behind each convolution and not behind the sum."""

    def __init__(
        self,
        widths: Sequence[int],
        image_size: int,
        *,
        activation: Activation | None = None,
        norm: Callable[[int], nn.Module] = nn.BatchNorm2d,
        average: bool = True,
        pools: int = 4,
        ceil: bool = False,
        thrice: bool = False,
    ) -> None:
        super().__init__()
        activation = activation or partial(nn.LeakyReLU, 0.1)
        blocks, size = [], image_size
        for i, (before, after) in enumerate(zip([3, *widths], widths, strict=False)):
            pooled = nn.MaxPool2d(2, ceil_mode=ceil) if i < pools else nn.Identity()
            blocks.append(Block12(before, after, activation, norm, pooled, thrice))
            size = (-(-size // 2) if ceil else size // 2) if i < pools else size
        self.blocks = nn.ModuleList(blocks)
        self.stage_dims = tuple(widths)
        self.average = average
        self.feature_dim = widths[-1] * (1 if average else size**2)

    def stages(self, images: Tensor) -> list[Tensor]:
        return maps_after(self.blocks, images)

    def pool(self, last: Tensor) -> Tensor:
        return last.mean((2, 3)) if self.average else last.flatten(1)


def resnet12(width: int = 64, image_size: int = 84) -> ResNet12:
    """64-160-320-640, flattened and not averaged (MetaOptNet, arXiv 1904.03758): 12,424,320 parameters, 16,000
    features from 84 px. Its DropBlock is left out: under the authors' four GPUs its schedule stood still."""
    return ResNet12([width * times // 64 for times in (64, 160, 320, 640)], image_size, average=False)


def resnet12_even(width: int = 64, image_size: int = 84) -> ResNet12:
    """64-128-256-512, averaged (Meta-Baseline, arXiv 2003.04390): 7,996,800 parameters."""
    return ResNet12([width, 2 * width, 4 * width, 8 * width], image_size)


def resnet12_tadam(width: int = 64, image_size: int = 84) -> ResNet12:
    """The same widths with swish, three poolings that round up and slow statistics (TADAM, arXiv 1805.10123, its
    released code): 7,996,800 parameters."""
    return ResNet12(
        [width, 2 * width, 4 * width, 8 * width],
        image_size,
        activation=nn.SiLU,
        norm=partial(nn.BatchNorm2d, momentum=0.05, eps=1e-3),
        pools=3,
        ceil=True,
    )


class ResNet12Wide(ResNet12):
    """64-96-128-256, then 1x1 to 2048, a mean, 1x1 to 384 (SNAIL, arXiv 1707.03141, and AdaResNet, arXiv
    1712.09926; sizes recalled, agreeing with a port): 3,542,080 parameters. Dropout is left out."""

    def __init__(self, width: int = 64, image_size: int = 84) -> None:
        widths = [width * times // 64 for times in (64, 96, 128, 256)]
        super().__init__(widths, image_size, thrice=True)
        self.feature_dim = 6 * width
        self.widen = nn.Conv2d(widths[-1], 32 * width, 1, bias=False)
        self.narrow = nn.Linear(32 * width, self.feature_dim, bias=False)

    def pool(self, last: Tensor) -> Tensor:
        return self.narrow(self.widen(last).mean((2, 3)).relu())

    @property
    def averages(self) -> bool:
        return False
