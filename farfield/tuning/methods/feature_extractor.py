"""Feature Extractor: a new linear layer on the frozen network (SpotTune, arXiv 1811.08737, first row)."""

from farfield.backbones.backbone import Backbone
from farfield.settings import keyword_settings
from farfield.tuning.adapted import Adapted, FrozenNorm, classifier, freeze, trained


@keyword_settings
class FeatureExtractor:
    """Only the head is trained, and with norm "adapt" the scales and shifts of BatchNorm.

    norm: with "eval" the features are those of the pretrained network, and no graph is recorded below
    the head. The mode is not published; "stats" and "adapt" let BatchNorm take the task's statistics.
    """

    seed: int
    norm: FrozenNorm = "eval"

    def __call__(self, backbone: Backbone, classes: int) -> Adapted:
        freeze(backbone, self.norm)
        network = classifier(backbone, classes, self.seed)
        return Adapted(network, trained([network]))
