"""Conv4 of the few-shot literature (Vinyals et al., arXiv 1606.04080; Chen et al., arXiv 1904.04232)."""

from torch import Tensor, nn

from farfield.backbones.backbone import Backbone, maps_after


class Conv4(Backbone):
    """Four times conv 3x3 with bias, BatchNorm, ReLU, max-pool 2; the last map is flattened.

    At width 64: 113,088 parameters, and 1600 features from 84 px images.
    """

    def __init__(self, width: int = 64, image_size: int = 84) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(3 if i == 0 else width, width, 3, padding=1),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2),
            )
            for i in range(4)
        )
        self.stage_dims = (width,) * 4
        self.feature_dim = width * (image_size // 16) ** 2

    def stages(self, images: Tensor) -> list[Tensor]:
        return maps_after(self.blocks, images)

    def pool(self, last: Tensor) -> Tensor:
        return last.flatten(1)
