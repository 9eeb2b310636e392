"""A multi-task study as a value: the scores of every row on every task, what is known of them, what follows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NotRequired, TypedDict

import numpy as np
import pandas as pd

from farfield.errors import InputError
from farfield.reporting import published
from farfield.reporting.inputs import Dataset, labelled, reservations
from farfield.reporting.multitask_headings import METRICS, TASKS, metrics_of, require_known

MultiTask = Literal["cityscapes", "nyuv2", "taskonomy"]
Kind = Literal["baseline", "adashare", "ablation", "reference"]
FEW_IMAGES = 100  # below, a test set is called too small to rank methods by
_SCORE = ["method", "sample", "task", "metric"]


class MultiTaskMethod(TypedDict):
    """A row of the table as its reader sees it."""

    title: str
    published: str  # name of its row in the published table, empty if it has none
    kind: Kind


class NetworkCost(TypedDict):
    """What the networks of a row cost, for one image and all tasks."""

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
class MultiTaskStudy:
    """Scores of multi-task networks, one row a metric and sample, and what is known about them.

    results: columns method, sample (a seed, or a sampled policy trained from scratch), task, metric, value
    (in the units of the published tables), selection (score on held-out training data, greater is better;
    NaN where there is nothing to select from), protocol (how losses, metrics and data are defined).
    methods: in the order in which they are shown. tasks: in the order of `TASKS`.
    reference: the row whose own mean metrics Delta is relative to. constant: the constant predictor's row.
    train_images, test_images: how many there are. depth_unit: such as "m".
    costs, policies: by row. history: by row, what `multitask_policies.history_frame` makes of a search:
    columns alternation, task, block (from 1), select, opened (how many blocks, from the last, the curriculum
    has opened), temperature, and figures of training that may be absent.
    stages: how many blocks each stage of the backbone has, or empty.
    caveats: sentences on how the run differs from the published protocol.
    Two studies are equal only if they are one, so that what follows from a study can be kept by it.

    Raises InputError when results follow different protocols, do not fit the methods and tasks described,
    repeat or lack a score, or hold one that is not finite; and for policies of another shape.
    """

    name: MultiTask
    results: pd.DataFrame
    methods: Mapping[str, MultiTaskMethod]
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
        self._require_described()
        self._require_one_protocol()
        self._require_complete()
        for row, policy in self.policies.items():
            _require_shape(row, policy, len(self.tasks))

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
        table = published.multi_task(self.name)
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

    def _require_described(self) -> None:
        require_known(set(self.results["metric"]))
        described = {"method": set(self.methods), "task": set(self.tasks)}
        for column, names in described.items():
            unknown = sorted(set(self.results[column]) - names)
            if unknown:
                raise InputError(
                    f"The results of {self.name} hold the {column} '{unknown[0]}', which is not described. "
                    f"Described are: {', '.join(sorted(names))}. Describe it, or remove its results."
                )
        if list(self.tasks) != [task for task in TASKS if task in self.tasks]:
            raise InputError(
                f"The tasks of {self.name} are {', '.join(self.tasks)}; some of {', '.join(TASKS)} are expected, "
                f"in this order. Reorder or rename them."
            )

    def _require_one_protocol(self) -> None:
        found = self.results.drop_duplicates("protocol")
        if len(found) > 1:
            one, other = found["method"].iloc[:2]
            first, second = found["protocol"].iloc[:2]
            raise InputError(
                f"The results of {self.name} follow different protocols: '{one}' {first} and '{other}' {second}. "
                f"Their numbers never stand in one table. Evaluate all rows by the same protocol."
            )

    def _require_complete(self) -> None:
        """Every sample of every row has every metric once, so that means are over the same things."""
        repeated = self.results[self.results.duplicated(_SCORE)]
        if len(repeated):
            method, sample, task, metric = repeated.iloc[0][_SCORE]
            raise InputError(
                f"The results of '{method}' in {self.name} hold {metric} of sample {sample} at {task} more than "
                f"once ({len(repeated)} repeated rows in all). Remove the stale results and evaluate again."
            )
        wrong = self.results[~np.isfinite(self.results["value"].to_numpy(float))]
        if len(wrong):
            method, sample, task, metric = wrong.iloc[0][_SCORE]
            raise InputError(
                f"{metric} of '{method}' at {task} in {self.name}, sample {sample}, is not a finite number. Look "
                f"at its losses and train it again."
            )
        expected = {(METRICS[name].task, name) for name in self.results["metric"]}
        expected |= {(task, f"any metric of {task}") for task in self.tasks if not self.metrics[task]}
        for (method, sample), own in self.results.groupby(["method", "sample"]):
            found = set(own[["task", "metric"]].itertuples(index=False, name=None))
            if found != expected:
                task, metric = sorted(found ^ expected)[0]
                raise InputError(
                    f"The results of '{method}' in {self.name}, sample {sample}, differ from those of other rows "
                    f"at {task}: {metric}. Evaluate every row with the same metrics."
                )


def _require_shape(row: str, policy: PolicyRecord, tasks: int) -> None:
    shapes = [policy["select"].shape, *(np.shape(runs) for runs in policy["runs"])]
    if len(shapes[0]) != 2 or shapes[0][0] != tasks or len(set(shapes)) > 1 or len(shapes) < 2:
        raise InputError(
            f"The policy of '{row}' has probabilities {shapes[0]} and samples {shapes[1:]}; [{tasks} tasks, "
            f"blocks] is expected of all of them, and one sample at least. Search for the policy again."
        )
