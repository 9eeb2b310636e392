"""Random Policy: SpotTune's two branches under fair coins (SpotTune, arXiv 1811.08737, Table 2)."""

from dataclasses import dataclass

from farfield.backbones.backbone import Backbone
from farfield.tuning.adapted import Adapted, FrozenNorm, classifier, trained
from farfield.tuning.routing import Routed, RoutedPart, Stem, check_routing


@dataclass(frozen=True, kw_only=True)
class RandomPolicy:
    """Each block runs tuned for each image with probability one half, in training and evaluation.

    In evaluation the coin depends on the seed and the image's pixels alone, so the result repeats.
    For the settings see SpotTune.
    """

    seed: int
    routed: RoutedPart = "all"
    frozen_norm: FrozenNorm = "adapt"
    stem: Stem = "trained"

    def __post_init__(self) -> None:
        check_routing(self.routed, self.frozen_norm, self.stem)

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
