"""The fine-tuning methods, by name."""

from typing import Any

from torch import nn

from farfield.registry import Registry
from farfield.tuning.adapted import KeepsSourceHead, Method

METHODS: Registry[Method] = Registry(
    "fine-tuning method",
    "farfield.tuning.methods",
    {
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
    },
)


def method(name: str, seed: int, settings: dict[str, Any], source_head: nn.Linear | None = None) -> Method:
    """The method `name` with these settings; `source_head` is for those that keep the source's answers.

    InputError if the name or a setting is unknown.
    """
    made = METHODS.make(name, {"seed": seed, **settings})
    return made.with_source_head(source_head) if isinstance(made, KeepsSourceHead) else made
