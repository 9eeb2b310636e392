"""The learners on features of a network that stays as it is, by name."""

from typing import Any

from farfield.registry import Registry
from farfield.transfer.learner import Learner

FEATURE_LEARNERS: Registry[Learner[Any, Any]] = Registry(
    "learner",
    "farfield.transfer",
    {
        "linear_head": "LinearHead",
        "nearest_centroid": "NearestCentroid",
        "ridge": "Ridge",
        "logistic": "Logistic",
        "hyper_ensemble": "HyperEnsemble",
    },
)


def feature_learner(name: str, seed: int, settings: dict[str, Any]) -> Learner[Any, Any]:
    """The learner `name` with these settings. InputError if either is unknown."""
    return FEATURE_LEARNERS.make(name, {"seed": seed, **settings})
