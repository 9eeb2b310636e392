"""A multi-task study as a value: the scores of every row on every task, what is known of them, what follows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NotRequired, TypedDict

import numpy as np
import pandas as pd

from farfield.errors import InputError
from farfield.results import published
from farfield.results.inputs import Dataset, labelled, reservations
from farfield.results.sharing_checks import check_policy, check_results
from farfield.results.sharing_headings import METRICS, metrics_of

SharingName = Literal["cityscapes", "nyuv2", "taskonomy"]
# ablation: any row beyond the published table, such as AdaShare without a part or another policy.
Kind = Literal["baseline", "adashare", "ablation", "reference"]
FEW_IMAGES = 100  # below, a test set is called too small to rank methods by


class SharingMethod(TypedDict):
    """A row of the table as its reader sees it."""

    title: str
    published: str  # name of its row in the published table, empty if it has none
    kind: Kind


class NetworkCost(TypedDict):
    """What the networks of a row cost, for one image of 224 x 224 pixels and all tasks: means over samples."""

    backbone_parameters: float  # the published convention: in multiples of one backbone
    parameters: float  # of the whole model, heads with it
    backbone_macs: float  # the published convention: every task runs the backbone for itself
    macs: float  # of the whole model, with what tasks share computed once


class PolicyRecord(TypedDict):
    """Which blocks the tasks of a row run."""

    select: np.ndarray  # float [tasks, blocks], the probability of running a block
    runs: Sequence[np.ndarray]  # bool [tasks, blocks], what each sample runs


class Examples(TypedDict):
    """Test images with the truth and what each row predicts.

    Arrays of a task are, as in a batch: segmentation int [m, h, w] of classes, -1 where unknown, or scores
    [m, classes, h, w]; normals float [m, 3, h, w], decoded whatever the protocol; depth, keypoints and edges
    float [m, 1, h, w]; NaN where unknown. Predictions may be smaller than images.
    """

    images: np.ndarray  # uint8 [m, H, W, 3]
    truths: Mapping[str, np.ndarray]
    predictions: Mapping[str, Mapping[str, np.ndarray]]  # by row, then task
    classes: NotRequired[Sequence[str]]  # names of the segmentation's classes


@dataclass(frozen=True, eq=False)
class SharingStudy:
    """Scores of multi-task networks, one row a metric and sample, and what is known about them.

    results: columns method, sample (a seed, or a policy sampled from the row's one search and trained from
    scratch with a seed of its own), training (text; samples of a row that have the same are copies of one
    training), task, metric, value (in the units of the published tables), selection (score on held-out
    training data, under the protocol legacy on some of the test images; greater is better, NaN where there
    is nothing to select from), protocol (how losses, metrics and data are defined).
    methods: in the order in which they are shown. tasks: in the order of `TASKS`.
    reference: the row whose own mean metrics Delta is relative to. constant: the constant predictor's row.
    train_images, test_images: how many there are. depth_unit: such as "m".
    costs, policies: by row. history: by row, what `sharing_policies.history_frame` makes of a search:
    columns alternation, task, block (from 1), select, opened (how many blocks, from the last, the curriculum
    has opened), temperature, and figures of training that may be absent.
    stages: how many blocks each stage of the backbone has, or empty.
    caveats: sentences on how the run differs from the published protocol.
    Two studies are equal only if they are one, so that what follows from a study can be kept by it.

    Raises InputError when results lack a column, follow different protocols, do not fit the methods and tasks
    described, repeat or lack a score, hold one that is not finite, or copies of a training that differ; and
    for policies of another shape.
    """

    name: SharingName
    results: pd.DataFrame
    methods: Mapping[str, SharingMethod]
    tasks: Sequence[str]
    dataset: Dataset
    reference: str = "single_task"
    constant: str = "constant"
    train_images: int = 0
    test_images: int = 0
    depth_unit: str = "m"
    costs: Mapping[str, NetworkCost] = field(default_factory=dict)
    policies: Mapping[str, PolicyRecord] = field(default_factory=dict)
    history: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    examples: Examples | None = None
    stages: tuple[int, ...] = ()
    caveats: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.reference not in self.methods:
            raise InputError(
                f"The reference '{self.reference}' of the study {self.name} is none of its methods: "
                f"{', '.join(self.methods)}. Name one of these."
            )
        check_results(self.name, self.results, self.methods, self.tasks)
        for row, policy in self.policies.items():
            shapes = [policy["select"].shape, *(np.shape(runs) for runs in policy["runs"])]
            check_policy(row, shapes, len(self.tasks))

    @property
    def protocol(self) -> str:
        """The one name that all results carry; empty without results."""
        return str(self.results["protocol"].iloc[0]) if len(self.results) else ""

    @cached_property
    def shown_methods(self) -> list[str]:
        """Those that have results."""
        present = set(self.results["method"])
        return [key for key in self.methods if key in present]

    def of_kind(self, *kinds: Kind) -> list[str]:
        return [key for key in self.shown_methods if self.methods[key]["kind"] in kinds]

    @cached_property
    def metrics(self) -> dict[str, list[str]]:
        """The names of the metrics of each task."""
        present = set(self.results["metric"])
        return {task: metrics_of(task, present) for task in self.tasks}

    @cached_property
    def delta_metrics(self) -> dict[str, dict[str, float]]:
        """{task: {metric: mean of the reference}} of the metrics that Delta is a mean of; empty if the
        reference did not run. Those that are 0 or less there have no share of which more is better."""
        own = self.results[self.results["method"] == self.reference]
        means = own.groupby("metric")["value"].mean()
        return {
            task: {name: float(means[name]) for name in names if means[name] > 0}
            for task, names in (self.metrics.items() if len(own) else ())
        }

    @property
    def without_delta(self) -> list[str]:
        """The metrics that have no part in Delta though its reference ran."""
        return [
            name
            for task, kept in self.delta_metrics.items()
            for name in self.metrics[task]
            if name not in kept
        ]

    @property
    def has_deltas(self) -> bool:
        """Whether every task has a Delta."""
        return bool(self.delta_metrics) and all(self.delta_metrics.values())

    @property
    def adashare(self) -> str | None:
        """The row that claims speak of: the first of its kind."""
        return next(iter(self.of_kind("adashare")), None)

    @cached_property
    def published(self) -> pd.DataFrame:
        """Columns method, parameters, task, metric, value, of this study's tasks; none for a dataset of which
        the published table does not speak."""
        table = published.sharing(self.name)
        table = table.assign(task=[METRICS[name].task for name in table["metric"]])
        known = table["task"].isin(self.tasks) & bool(self.dataset["published"])
        return table[known].reset_index(drop=True)

    @property
    def title(self) -> str:
        return labelled(self.dataset)

    @property
    def reservations(self) -> list[str]:
        """What a reader must not overlook: images that are not the published ones, few of them, caveats."""
        few = ""
        if 0 < self.test_images < FEW_IMAGES:
            few = (
                f"Trained on {self.train_images} and tested on {self.test_images} images of "
                f"{self.title}: too few to rank methods by. These numbers show that every row runs and learns."
            )
        return [*reservations([self.dataset]), *([few] if few else []), *self.caveats]
