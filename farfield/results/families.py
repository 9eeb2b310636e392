"""The three families of studies: what each knows of its rows besides scores, and where chance comes in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NotRequired, TypedDict

import numpy as np
import pandas as pd

from farfield.errors import InputError
from farfield.results import published
from farfield.results.headings import METRICS, metrics_of
from farfield.results.inputs import Dataset, labelled
from farfield.results.scores import of_answers, of_episodes, of_samples
from farfield.results.study import Row, Study, Varies

_BY_EPISODES = Varies(law="1.96")
_BY_IMAGES = Varies(trainings="both")
_BY_TRAININGS = Varies(units=False, trainings="borrow")
FEW_IMAGES = 100  # below, a test set is called too small to rank methods by


@dataclass(frozen=True, eq=False)
class Variant:
    """A row of the same method as `row` of the study, its key. title: its own, which says what is set otherwise.
    scores: SCORES."""

    row: str
    title: str
    scores: pd.DataFrame


@dataclass(frozen=True, eq=False)
class FewShotStudy(Study):
    """Few-shot methods: a score an episode; datasets from near to far.

    published: columns family, method, dataset, shot, accuracy, ci95. choices: what ensembles that select chose:
    columns method, dataset, shot, choice, episodes, with how often `choice` (a layer or model, in words) was
    taken, over all episodes. variants: rows that stand beside claims alone.
    """

    varies: Varies = _BY_EPISODES
    split: str = "study"
    choices: pd.DataFrame | None = None
    variants: tuple[Variant, ...] = ()
    way: int = 5
    query: int = 15


@dataclass(frozen=True)
class PolicyRecord:
    """What a policy decided for each test image of a dataset, by one training.

    actions: uint8 [images, blocks], 1 where the tuned block ran. probabilities: float [images, blocks] of
    the tuned block. rows: int [images], of the packed dataset.
    """

    actions: np.ndarray
    probabilities: np.ndarray
    rows: np.ndarray

    def __post_init__(self) -> None:
        shapes = [self.actions.shape, self.probabilities.shape]
        if self.actions.ndim != 2 or shapes[0] != shapes[1] or len(self.rows) != len(self.actions):
            raise InputError(
                f"The record of a policy has actions {shapes[0]}, probabilities {shapes[1]} and "
                f"{len(self.rows)} rows; actions and probabilities [images, blocks] and a row an image are "
                f"expected. Evaluate the method again."
            )


@dataclass(frozen=True, eq=False)
class TuningStudy(Study):
    """Fine-tuned networks: a score a test image, training and draw of a policy; two parts, real and
    procedural.

    `published` of a dataset is its name in the study's table. costs: parameters for all tasks in multiples of
    one network, and macs an image. reference: also what scales the decathlon's score. policies: by row and
    dataset. curves: by row and dataset, columns epoch and policy_entropy (bits a decision), a line for each
    epoch of each training. images: by dataset, uint8 [n, h, w, 3] with the rows of `PolicyRecord.rows`; a
    memory map will do.
    """

    varies: Varies = _BY_IMAGES
    split: str = "procedural"
    policies: Mapping[tuple[str, str], PolicyRecord] = field(default_factory=dict)
    curves: Mapping[tuple[str, str], pd.DataFrame] = field(default_factory=dict)
    images: Mapping[str, np.ndarray] = field(default_factory=dict)


class TaskPolicy(TypedDict):
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
class SharingStudy(Study):
    """Multi-task networks on one dataset: a score a metric and sample; the cells are tasks, in the order of
    `TASKS`.

    reference: the row whose own mean metrics Delta is relative to. constant: the constant predictor's row.
    protocol: how losses, metrics and data are defined. train_images, test_images: how many there are.
    depth_unit: such as "m". costs: for one image of 224 x 224 pixels and all tasks, means over samples:
    backbone_parameters in multiples of one backbone and backbone_macs, by the published convention in which
    every task runs the backbone for itself; parameters and macs of the whole model, with what tasks share
    computed once. policies: by row. history: by row, what `policies.history_frame` makes of a search: columns
    alternation, task, block (from 1), select, opened (how many blocks, from the last, the curriculum has
    opened), temperature, and figures of training that may be absent. stages: how many blocks each stage of
    the backbone has, or empty. Raises InputError for policies of another shape.
    """

    varies: Varies = _BY_TRAININGS
    tasks: Sequence[str] = ()
    constant: str = "constant"
    protocol: str = ""
    train_images: int = 0
    test_images: int = 0
    depth_unit: str = "m"
    policies: Mapping[str, TaskPolicy] = field(default_factory=dict)
    history: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    examples: Examples | None = None
    stages: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for row, policy in self.policies.items():
            shapes = [policy["select"].shape, *(np.shape(runs) for runs in policy["runs"])]
            if (
                len(shapes[0]) != 2
                or shapes[0][0] != len(self.tasks)
                or len(set(shapes)) > 1
                or len(shapes) < 2
            ):
                raise InputError(
                    f"The policy of '{row}' has probabilities {shapes[0]} and samples {shapes[1:]}; "
                    f"[{len(self.tasks)} tasks, blocks] is expected of all of them, and one sample at least. "
                    f"Search for the policy again."
                )

    @property
    def known_cells(self) -> list[str]:
        return list(self.tasks)

    @property
    def dataset(self) -> Dataset:
        (card,) = self.datasets.values()
        return card

    @property
    def title(self) -> str:
        return labelled(self.dataset)

    @property
    def shown_datasets(self) -> list[str]:
        return list(self.datasets)

    def of_kind(self, *kinds: str) -> list[str]:
        return [key for key in self.shown_rows if self.rows[key]["kind"] in kinds]

    @cached_property
    def metrics(self) -> dict[str, list[str]]:
        """The names of the metrics of each task."""
        present = set(self.scores["metric"])
        return {task: metrics_of(task, present) for task in self.tasks}

    @property
    def adashare(self) -> str | None:
        """The row that claims speak of: the first of its kind."""
        return next(iter(self.of_kind("adashare")), None)

    @property
    def reservations(self) -> list[str]:
        """What a reader must not overlook: images that are not the published ones, few of them, caveats."""
        whole = super().reservations
        few = ""
        if 0 < self.test_images < FEW_IMAGES:
            few = (
                f"Trained on {self.train_images} and tested on {self.test_images} images of "
                f"{self.title}: too few to rank methods by. These numbers show that every row runs and learns."
            )
        start = len(whole) - len(self.caveats)
        return [*whole[:start], *([few] if few else []), *whole[start:]]


def fewshot_study(
    results: pd.DataFrame,
    rows: Mapping[str, Row],
    datasets: Mapping[str, Dataset],
    reference: str,
    **more: Any,
) -> FewShotStudy:
    """From results as `scores.of_episodes` takes them."""
    table = more.pop("published", None)
    table = published.cross_domain() if table is None else table
    return FewShotStudy(
        "fewshot", of_episodes("fewshot", results), rows, datasets, reference, published=table, **more
    )


def tuning_study(
    name: str,
    results: pd.DataFrame,
    rows: Mapping[str, Row],
    datasets: Mapping[str, Dataset],
    reference: str,
    **more: Any,
) -> TuningStudy:
    """From results as `scores.of_answers` takes them; a cell is a dataset."""
    table = published.tuning(name)
    return TuningStudy(name, of_answers(name, results), rows, datasets, reference, published=table, **more)


def sharing_study(
    name: str,
    results: pd.DataFrame,
    rows: Mapping[str, Row],
    tasks: Sequence[str],
    dataset: Dataset,
    reference: str = "single_task",
    **more: Any,
) -> SharingStudy:
    """From results as `scores.of_samples` takes them. Published are this study's tasks; nothing for a dataset
    of which the published table does not speak."""
    scores = of_samples(name, results, rows, tasks)
    protocol = str(results["protocol"].iloc[0]) if len(results) else ""
    table = published.sharing(name)
    table = table.assign(task=[METRICS[metric].task for metric in table["metric"]])
    table = table[table["task"].isin(tasks) & bool(dataset["published"])].reset_index(drop=True)
    facts = {"published": table, "tasks": tasks, "protocol": protocol}
    return SharingStudy(name, scores, rows, {name: dataset}, reference, **(facts | more))
