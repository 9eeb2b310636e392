"""How the tasks' losses are weighed against each other, by name: one file a weighting."""

import importlib
from typing import Any

from farfield.errors import InputError
from farfield.settings import configured
from farfield.sharing.objective import Objective
from farfield.sharing.weighting.weighting import Weighting

# Of a module of this package, the class that is the weighting. Modules are imported when they are asked
# for: a run with one weighting reads, and so depends on, no other.
WEIGHTINGS = {"fixed": "Fixed", "uncertainty": "Uncertainty", "pcgrad": "PCGrad"}


def build_weighting(name: str, objective: Objective, seed: int, **settings: Any) -> Weighting:
    """The weighting `name` of an objective; `settings` are its own. seed: of what it draws.

    InputError if the name or a setting is unknown.
    """
    if name not in WEIGHTINGS:
        raise InputError(f"there is no loss weighting {name!r}; the weightings are {', '.join(WEIGHTINGS)}")
    module = importlib.import_module(f"farfield.sharing.weighting.{name}")
    made: Weighting = configured(getattr(module, WEIGHTINGS[name]), name, settings, objective, seed)
    return made
