"""Fine-tuning last-k: the last residual blocks and the head (SpotTune, arXiv 1811.08737, Table 2)."""

from farfield.backbones.backbone import Backbone
from farfield.errors import InputError
from farfield.settings import keyword_settings
from farfield.tuning.adapted import Adapted, FrozenNorm, classifier, freeze, trained
from farfield.tuning.residual import residual_blocks


@keyword_settings
class LastBlocks:
    """The last `blocks` residual blocks and the head are trained, the rest is frozen.

    Blocks, not stages: of a ResNet-50, blocks=1 trains layer4.2, and blocks=3 all of layer4. Since no
    weight before them needs a gradient, backward stops at the first of them. The BatchNorm that a
    ResNet-26 has after its blocks is frozen too.

    norm: what BatchNorm of the frozen part does.
    """

    seed: int
    blocks: int
    norm: FrozenNorm = "eval"

    def __post_init__(self) -> None:
        if self.blocks < 1:
            raise InputError(
                f"blocks must be at least 1, found {self.blocks}; the row that trains no block is the "
                f"feature extractor"
            )

    def __call__(self, backbone: Backbone, classes: int) -> Adapted:
        blocks = list(residual_blocks(backbone).values())
        if self.blocks > len(blocks):
            raise InputError(
                f"blocks is {self.blocks}, but a {type(backbone).__name__} of this depth has only "
                f"{len(blocks)} residual blocks; lower it"
            )
        freeze(backbone, self.norm, spare=blocks[-self.blocks :])
        network = classifier(backbone, classes, self.seed)
        return Adapted(network, trained([network]))
