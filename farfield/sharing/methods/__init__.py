"""The multi-task networks, by name: one file a method."""

import importlib
from collections.abc import Sequence
from typing import Any

from torch import nn

from farfield.registry import Registry
from farfield.sharing.dense import DenseImages
from farfield.sharing.methods.network import NetworkSettings, TaskNetwork, Tasks

METHODS: Registry[TaskNetwork] = Registry(
    "multi-task method",
    __name__,
    {
        "single_task": "SingleTask",
        "multi_task": "MultiTask",
        "cross_stitch": "CrossStitch",
        "sluice": "Sluice",
        "nddr": "NDDR",
        "mtan": "MTAN",
        "stochastic_depth": "StochasticDepth",
        "adashare": "AdaShare",
    },
)


def build_method(name: str, tasks: Tasks, network: NetworkSettings, **settings: Any) -> TaskNetwork:
    """The network of the method `name`; `settings` are its own.

    tasks: name -> channels of the prediction. InputError if the name or a setting is unknown.
    """
    return METHODS.make(name, settings, tasks, network)


def constant_predictor(
    data: DenseImages, tasks: Tasks, class_weights: Sequence[float] | None = None
) -> nn.Module:
    """What every method must beat: the best constant prediction of each task on the images `data`.

    class_weights: of segmentation's cross-entropy.
    """
    module = importlib.import_module("farfield.sharing.methods.constant")
    fitted: nn.Module = module.fit_constant(data, tasks, class_weights)
    return fitted
