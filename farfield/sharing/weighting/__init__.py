"""How the tasks' losses are weighed against each other, by name: one file a weighting."""

from typing import Any

from farfield.registry import Registry
from farfield.sharing.objective import Objective
from farfield.sharing.weighting.weighting import Weighting

WEIGHTINGS: Registry[Weighting] = Registry(
    "loss weighting",
    __name__,
    {"fixed": "fixed.Fixed", "uncertainty": "uncertainty.Uncertainty", "pcgrad": "pcgrad.PCGrad"},
)


def build_weighting(name: str, objective: Objective, seed: int, **settings: Any) -> Weighting:
    """The weighting `name` of an objective; `settings` are its own. seed: of what it draws.

    InputError if the name or a setting is unknown.
    """
    return WEIGHTINGS.make(name, settings, objective, seed)
