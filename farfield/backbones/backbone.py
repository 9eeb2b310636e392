"""What every backbone offers."""

from collections.abc import Iterable, Sequence

from torch import Tensor, nn


class Backbone(nn.Module):
    """Images to features.

    feature_dim: d, the length of `forward`'s features.
    stage_dims: the channels of each map that `stages` returns.
    own_statistics: whether its weights expect pixels normalised with others than ImageNet's.
    """

    feature_dim: int
    stage_dims: tuple[int, ...]
    own_statistics: bool = False

    def forward(self, images: Tensor) -> Tensor:
        """Normalised float images [n, c, H, W] to features [n, feature_dim]; c is 3 but for `channels`."""
        return self.pool(self.stages(images)[-1])

    def stages(self, images: Tensor) -> list[Tensor]:
        """The map after each stage, [n, stage_dims[i], h_i, w_i], from the first to the last."""
        raise NotImplementedError

    def pool(self, last: Tensor) -> Tensor:
        """The last stage's map to features [n, feature_dim]."""
        raise NotImplementedError

    def outputs(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Features as of `forward` and maps as of `stages`, from one pass."""
        maps = self.stages(images)
        return self.pool(maps[-1]), maps

    @property
    def averages(self) -> bool:
        """Whether its features are the last stage's map, averaged over positions."""
        return self.feature_dim == self.stage_dims[-1]

    def first_layer(self) -> nn.Module:
        """The layer that images meet first."""
        return next(module for module in self.modules() if isinstance(module, nn.Conv2d))


SHOWN = 4  # stages of a network whose maps all have one size, as those of a vision transformer


class ForeignBackbone(Backbone):
    """A network of another library, or of a file, taken as it is. Images enter through `entry`."""

    def __init__(self) -> None:
        super().__init__()
        self.entry: nn.Module = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        return self.outputs(images)[0]

    def stages(self, images: Tensor) -> list[Tensor]:
        return self.outputs(images)[1]

    def outputs(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        raise NotImplementedError

    @property
    def averages(self) -> bool:
        return False

    def first_layer(self) -> nn.Module:
        return self.entry


def shown(sizes: Sequence[int]) -> list[int]:
    """Which of the maps of a network are its stages, by a number that tells the size of each: the last of each
    size, or `SHOWN` of equal distance where all have one."""
    last = sorted({size: i for i, size in enumerate(sizes)}.values())
    if len(last) > 1 or len(sizes) < SHOWN:
        return last
    return [len(sizes) * k // SHOWN - 1 for k in range(1, SHOWN + 1)]


def maps_after(layers: Iterable[nn.Module], x: Tensor) -> list[Tensor]:
    """The map after each of the layers, which `x` goes through one after the other."""
    maps = []
    for layer in layers:
        x = layer(x)
        maps.append(x)
    return maps


def parameter_count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
