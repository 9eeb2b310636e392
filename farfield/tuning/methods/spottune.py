"""SpotTune: a policy network decides for each image which blocks run fine-tuned (arXiv 1811.08737)."""

from farfield.settings import keyword_settings
from farfield.tuning.routed_tuning import RoutedTuning


@keyword_settings
class SpotTune(RoutedTuning):
    """Plain cross-entropy trains policy and network together; there is no further term."""
