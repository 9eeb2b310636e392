"""What every backbone offers."""

from collections.abc import Iterable

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
        """Normalised float images [n, 3, H, W] to features [n, feature_dim]."""
        return self.pool(self.stages(images)[-1])

    def stages(self, images: Tensor) -> list[Tensor]:
        """The map after each stage, [n, stage_dims[i], h_i, w_i], from the first to the last."""
        raise NotImplementedError

    def pool(self, last: Tensor) -> Tensor:
        """The last stage's map to features [n, feature_dim]."""
        raise NotImplementedError


def maps_after(layers: Iterable[nn.Module], x: Tensor) -> list[Tensor]:
    """The map after each of the layers, which `x` goes through one after the other."""
    maps = []
    for layer in layers:
        x = layer(x)
        maps.append(x)
    return maps


def parameter_count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
