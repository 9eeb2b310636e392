"""The learners on feature vectors, by name."""

from collections.abc import Callable
from typing import Any

from farfield.errors import InputError
from farfield.settings import configured
from farfield.transfer.learner import Learner
from farfield.transfer.linear_head import LinearHead
from farfield.transfer.nearest_centroid import NearestCentroid

# Learners on feature vectors: name to a function of (seed, settings).
FEATURE_LEARNERS: dict[str, Callable[..., Learner]] = {
    "linear_head": LinearHead,
    "nearest_centroid": lambda seed, **settings: NearestCentroid(**settings),
}


def feature_learner(name: str, seed: int, settings: dict[str, Any]) -> Learner:
    """The learner `name` with these settings. InputError if either is unknown."""
    if name not in FEATURE_LEARNERS:
        raise InputError(f"there is no learner {name!r}; the learners are {', '.join(FEATURE_LEARNERS)}")
    return configured(FEATURE_LEARNERS[name], name, {"seed": seed, **settings})
