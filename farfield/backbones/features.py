"""Features in the place of images: for learners that train and answer on what a frozen network has said once."""

from torch import Tensor, nn

from farfield.backbones.backbone import Backbone


class Features(Backbone):
    """Takes features [n, width] for images and gives them back."""

    def __init__(self, width: int = 64, image_size: int = 0) -> None:
        super().__init__()
        self.feature_dim, self.stage_dims = width, (width,)

    def stages(self, images: Tensor) -> list[Tensor]:
        return [images[:, :, None, None]]

    def pool(self, last: Tensor) -> Tensor:
        return last.flatten(1)

    def first_layer(self) -> nn.Module:
        return self  # which takes no channels
