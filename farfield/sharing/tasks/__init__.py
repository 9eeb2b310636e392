"""The five dense tasks: what a network predicts for each, its loss and its metrics.

Targets of a batch are int64 [B, H, W] (segmentation, -1 where void) or float32 [B, C, H, W] (NaN where
unknown); predictions are [B, C, h, w] at the network's resolution.
"""

import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from farfield.datasets.dense.records import TASKS
from farfield.errors import InputError
from farfield.sharing.metrics import SCENE, TASKONOMY
from farfield.sharing.protocol import Protocol
from farfield.sharing.tasks.depth import DepthMeter
from farfield.sharing.tasks.normals import NormalMeter, NormalSimilarityMeter, normal_loss
from farfield.sharing.tasks.regression import AbsoluteErrorMeter, absolute_loss
from farfield.sharing.tasks.segmentation import SegmentationLossMeter, SegmentationMeter, segmentation_loss


class Meter(typing.Protocol):
    """The metrics of one task over a set of images, from one batch after another."""

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """prediction: [B, C, H, W] at the target's size, or smaller and enlarged here by nearest."""
        ...

    def compute(self) -> dict[str, float]:
        """InputError if no pixel was known."""
        ...


@dataclass(frozen=True)
class Task:
    """channels: of its prediction. loss: of (prediction, target) at one size; masks what is unknown.
    meter: makes a fresh one. metrics: {name: higher is better}, the first standing for the task.
    classification: whether its loss is a cross-entropy; others are regressions."""

    name: str
    channels: int
    loss: Callable[[Tensor, Tensor], Tensor]
    meter: Callable[[], Meter]
    metrics: Mapping[str, bool]
    classification: bool


def make_tasks(
    study_kind: str,
    names: Sequence[str],
    classes: int,
    protocol: Protocol,
    class_weights: Sequence[float] | None = None,
) -> dict[str, Task]:
    """The tasks `names`, in the order of `TASKS`.

    study_kind: "scene" scores as CityScapes and NYU v2 are, "taskonomy" by one loss-like number a task.
    classes: of segmentation. class_weights: of its cross-entropy, one a class. InputError for an unknown
    kind or name, no name at all, and weights that are not one positive number a class.
    """
    if study_kind not in ("scene", "taskonomy"):
        raise InputError(f"study_kind must be scene or taskonomy, found {study_kind!r}")
    if not names or set(names) - set(TASKS):
        raise InputError(f"tasks must be some of {', '.join(TASKS)}, found {', '.join(names) or 'none'}")
    if "segmentation" in names and classes < 1:
        raise InputError(f"segmentation needs at least one class, found {classes}")
    weights = None if class_weights is None else tuple(float(weight) for weight in class_weights)
    if weights is not None and (len(weights) != classes or not all(0 < w < float("inf") for w in weights)):
        raise InputError(
            f"class_weights must be one number above 0 for each of {classes} classes, found {weights}"
        )
    make = _scene_meters if study_kind == "scene" else _taskonomy_meters
    meters = make(classes, protocol, weights)
    metrics = SCENE if study_kind == "scene" else TASKONOMY
    return {
        name: Task(
            name,
            channels={"segmentation": classes, "normals": 3}.get(name, 1),
            loss=_losses(weights)[name],
            meter=meters[name],
            metrics=metrics[name],
            classification=name == "segmentation",
        )
        for name in TASKS
        if name in names
    }


Weights = tuple[float, ...] | None


def _losses(weights: Weights) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    return {
        "segmentation": partial(segmentation_loss, class_weights=weights),
        "normals": normal_loss,
        **dict.fromkeys(("depth", "keypoints", "edges"), absolute_loss),
    }


def _scene_meters(classes: int, protocol: Protocol, weights: Weights) -> dict[str, Callable[[], Meter]]:
    return {
        "segmentation": partial(SegmentationMeter, classes, protocol),
        "normals": NormalMeter,
        "depth": partial(DepthMeter, protocol),
        "keypoints": partial(AbsoluteErrorMeter, "keypoint_error", protocol),
        "edges": partial(AbsoluteErrorMeter, "edge_error", protocol),
    }


def _taskonomy_meters(classes: int, protocol: Protocol, weights: Weights) -> dict[str, Callable[[], Meter]]:
    return {
        **_scene_meters(classes, protocol, weights),
        "segmentation": partial(SegmentationLossMeter, weights, protocol),
        "normals": NormalSimilarityMeter,
        "depth": partial(AbsoluteErrorMeter, "depth_error", protocol),
    }
