"""SpotTune: a policy network decides for each image which blocks run fine-tuned (arXiv 1811.08737)."""

from dataclasses import dataclass

from farfield.tuning.routed_tuning import RoutedTuning


@dataclass(frozen=True, kw_only=True)
class SpotTune(RoutedTuning):
    """Plain cross-entropy trains policy and network together; there is no further term."""
