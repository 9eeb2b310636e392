"""BatchNorm adaptation (Bilen and Vedaldi, arXiv 1701.07275): the row "BN Adapt." of the decathlon."""

from dataclasses import dataclass

from farfield.backbones.backbone import Backbone
from farfield.tuning.adapted import Adapted, classifier, freeze, trained


@dataclass(frozen=True, kw_only=True)
class NormAdaptation:
    """A task has its own BatchNorm (scale, shift and running statistics) and head; every convolution is
    the source network's. 7,744 parameters a task of the 5.8 million of ResNet-26."""

    seed: int

    def __call__(self, backbone: Backbone, classes: int) -> Adapted:
        freeze(backbone, norm="adapt")
        network = classifier(backbone, classes, self.seed)
        return Adapted(network, trained([network]))
