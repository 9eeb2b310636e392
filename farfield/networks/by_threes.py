"""Networks of three channels on images of more or fewer, of which they look at three at a time.

A network that is not trained on bands is left as it is: it sees bands 1 to 3 as a picture, bands 4 to 6 as
another and so on, and its features of all of them stand side by side, so that what reads them can weigh each
three. Kernels that bands share, as `backbones.channels` gives to networks that are trained, would show it sums
of many.
"""

import torch
from torch import Tensor

from farfield.backbones.backbone import Backbone
from farfield.training.images import MEAN, STD


def by_threes(network: Backbone, channels: int) -> Backbone:
    """The network on images of so many channels: itself if they are three."""
    return network if channels == 3 else ByThrees(network, channels)


class ByThrees(Backbone):
    """Images [n, channels, h, w], normalised alike in all channels (`training.images.normalise`), to the features
    of each three of them, one after the other; maps alike. Where the last have fewer than three, the last channel
    fills them up."""

    chosen: Tensor
    scale: Tensor
    offset: Tensor

    def __init__(self, network: Backbone, channels: int) -> None:
        super().__init__()
        self.network = network
        pictures = -(-channels // 3)
        self.feature_dim = pictures * network.feature_dim
        self.stage_dims = tuple(pictures * channels for channels in network.stage_dims)
        self.own_statistics = network.own_statistics
        mean, std = (sum(values) / 3 for values in (MEAN, STD))  # of each channel now; MEAN, STD as a picture
        for name, values in (
            ("chosen", torch.arange(3 * pictures).clamp(max=channels - 1)),
            ("scale", (std / torch.tensor(STD)).view(1, 3, 1, 1)),
            ("offset", ((mean - torch.tensor(MEAN)) / torch.tensor(STD)).view(1, 3, 1, 1)),
        ):
            self.register_buffer(name, values, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.outputs(images)[0]

    def stages(self, images: Tensor) -> list[Tensor]:
        return self.outputs(images)[1]

    def outputs(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        height, width = images.shape[2:]
        pictures = images[:, self.chosen].reshape(-1, 3, height, width) * self.scale + self.offset
        features, maps = self.network.outputs(pictures)
        side_by_side = [
            each.reshape(-1, dim, *each.shape[2:]) for each, dim in zip(maps, self.stage_dims, strict=True)
        ]
        return features.reshape(-1, self.feature_dim), side_by_side

    @property
    def averages(self) -> bool:
        return self.network.averages

    def first_layer(self) -> torch.nn.Module:
        return self.network.first_layer()
