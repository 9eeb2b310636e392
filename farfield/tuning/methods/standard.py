"""Standard fine-tuning: every parameter is trained (SpotTune, arXiv 1811.08737, second row)."""

from dataclasses import dataclass

from farfield.backbones.backbone import Backbone
from farfield.tuning.adapted import Adapted, classifier, trained


@dataclass(frozen=True, kw_only=True)
class Standard:
    """All of the pretrained network and a new head, at one learning rate."""

    seed: int

    def __call__(self, backbone: Backbone, classes: int) -> Adapted:
        network = classifier(backbone, classes, self.seed)
        return Adapted(network, trained([network]))
