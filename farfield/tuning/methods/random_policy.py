"""Random Policy: SpotTune's two branches under fair coins (SpotTune, arXiv 1811.08737, Table 2)."""

from farfield.backbones.backbone import Backbone
from farfield.settings import keyword_settings
from farfield.tuning.adapted import Adapted, FrozenNorm, classifier, trained
from farfield.tuning.routing import Routed, RoutedPart, Stem


@keyword_settings
class RandomPolicy:
    """Each block runs tuned for each image with probability one half, in training and evaluation.

    In evaluation the coin depends on the seed and the image's pixels alone, so the result repeats.
    For the settings see SpotTune.
    """

    seed: int
    routed: RoutedPart = "all"
    frozen_norm: FrozenNorm = "adapt"
    stem: Stem = "trained"

    def __call__(self, backbone: Backbone, classes: int) -> Adapted:
        network = Routed(
            classifier(backbone, classes, self.seed),
            None,
            routed=self.routed,
            frozen_norm=self.frozen_norm,
            stem=self.stem,
            seed=self.seed,
        )
        return Adapted(network, trained([network]))
