"""Training from random weights: what the source network is worth is the distance to this row."""

from dataclasses import dataclass

from farfield.backbones.backbone import Backbone
from farfield.networks.adapters import with_adapters
from farfield.tuning.adapted import Adapted, classifier, trained
from farfield.tuning.reinitialise import reinitialise


@dataclass(frozen=True, kw_only=True)
class Scratch:
    """A network of the task's own, with the architecture of the backbone and none of its weights.

    adapters: with series adapters in it, trained like the rest: the row "Scratch+" of the decathlon
    (arXiv 1705.08045), which has the capacity of adapters without what they adapt.
    """

    seed: int
    adapters: bool = False

    def __call__(self, backbone: Backbone, classes: int) -> Adapted:
        if self.adapters:
            with_adapters(backbone, "series", seed=self.seed)
        reinitialise(backbone, self.seed)
        network = classifier(backbone, classes, self.seed)
        return Adapted(network, trained([network]))
