"""What tasks and metrics of dense prediction are called, with units and the direction of better values.

The names are those of the published tables (`published/adashare_*.csv`), which the results share.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from farfield.errors import InputError
from farfield.sharing.metrics import HIGHER_IS_BETTER

# In the order in which they are shown everywhere.
TASKS: Mapping[str, str] = {
    "segmentation": "Segmentation",
    "normals": "Surface normals",
    "depth": "Depth",
    "keypoints": "Keypoints",
    "edges": "Edges",
}


@dataclass(frozen=True)
class Metric:
    """A metric as its reader sees it.

    unit: in brackets behind the title; `depth` stands for the unit that a study's depth has. digits: after
    the decimal point, as in the published tables or one more.
    """

    task: str
    title: str
    unit: str
    digits: int


METRICS: Mapping[str, Metric] = {
    "miou": Metric("segmentation", "mIoU", "%", 2),
    "pixel_accuracy": Metric("segmentation", "Pixel accuracy", "%", 2),
    "normal_mean_angle": Metric("normals", "Mean angle", "°", 2),
    "normal_median_angle": Metric("normals", "Median angle", "°", 2),
    "normal_within_11.25": Metric("normals", "Within 11.25°", "%", 2),
    "normal_within_22.5": Metric("normals", "Within 22.5°", "%", 2),
    "normal_within_30": Metric("normals", "Within 30°", "%", 2),
    "depth_abs_error": Metric("depth", "Absolute error", "depth", 4),
    "depth_rel_error": Metric("depth", "Relative error", "", 3),
    "depth_delta_1.25": Metric("depth", "δ < 1.25", "%", 2),
    "depth_delta_1.25^2": Metric("depth", "δ < 1.25²", "%", 2),
    "depth_delta_1.25^3": Metric("depth", "δ < 1.25³", "%", 2),
    "segmentation_loss": Metric("segmentation", "Cross-entropy", "nats", 3),
    "normal_similarity": Metric("normals", "Cosine similarity", "", 3),
    "depth_error": Metric("depth", "Absolute error", "depth", 4),
    "keypoint_error": Metric("keypoints", "Absolute error", "", 4),
    "edge_error": Metric("edges", "Absolute error", "", 4),
}


def metrics_of(task: str, present: set[str]) -> list[str]:
    """Those of `present` that measure `task`, in the order of the published tables."""
    return [name for name, metric in METRICS.items() if metric.task == task and name in present]


def heading(name: str, depth_unit: str) -> str:
    """The title of a metric with its unit, and an arrow towards the better values."""
    metric = METRICS[name]
    unit = depth_unit if metric.unit == "depth" else metric.unit
    return f"{metric.title}{f' ({unit})' if unit else ''}\u00a0{'↑' if HIGHER_IS_BETTER[name] else '↓'}"


def require_known(names: set[str]) -> None:
    """Raise InputError for a metric that has no title and no direction here."""
    unknown = sorted(names - set(METRICS))
    if unknown:
        raise InputError(
            f"The results hold the metric '{unknown[0]}', which the report does not know. "
            f"It knows {', '.join(METRICS)}. Rename it, or describe it in results/headings.py."
        )
