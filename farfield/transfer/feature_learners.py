"""The learners on feature vectors, by name."""

from typing import Any

from torch import Tensor

from farfield.registry import Registry
from farfield.transfer.learner import Learner

FEATURE_LEARNERS: Registry[Learner[Tensor, Any]] = Registry(
    "learner", "farfield.transfer", {"linear_head": "LinearHead", "nearest_centroid": "NearestCentroid"}
)


def feature_learner(name: str, seed: int, settings: dict[str, Any]) -> Learner[Tensor, Any]:
    """The learner `name` with these settings. InputError if either is unknown."""
    return FEATURE_LEARNERS.make(name, {"seed": seed, **settings})
