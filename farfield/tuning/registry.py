"""The fine-tuning methods, by name."""

import importlib
from typing import Any

from torch import nn

from farfield.errors import InputError
from farfield.settings import configured
from farfield.tuning.adapted import Method

# Of a module of farfield.tuning.methods, the class that is the method. Modules are imported when they
# are asked for: a run of one method reads, and so depends on, no other.
METHODS = {
    "feature_extractor": "FeatureExtractor",
    "standard": "Standard",
    "stochastic": "StochasticBlocks",
    "last_blocks": "LastBlocks",
    "l2_sp": "L2SP",
    "progressive": "ProgressiveNet",
    "spottune": "SpotTune",
    "random_policy": "RandomPolicy",
    "global_k": "GlobalK",
    "scratch": "Scratch",
    "norm_adaptation": "NormAdaptation",
    "lwf": "LwF",
    "adapters": "Adapters",
    "dan": "DAN",
    "piggyback": "PiggyBack",
    "taps": "TAPS",
    "auto_rgn": "AutoRGN",
}


def method(name: str, seed: int, settings: dict[str, Any], source_head: nn.Linear | None = None) -> Method:
    """The method `name` with these settings; `source_head` is for those that keep the source's answers.

    InputError if the name or a setting is unknown.
    """
    if name not in METHODS:
        raise InputError(f"there is no fine-tuning method {name!r}; the methods are {', '.join(METHODS)}")
    module = importlib.import_module(f"farfield.tuning.methods.{name}")
    made: Method = configured(getattr(module, METHODS[name]), name, {"seed": seed, **settings})
    return made.with_source_head(source_head) if hasattr(made, "with_source_head") else made
