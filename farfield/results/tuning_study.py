"""A fine-tuning study as a value: predictions of test images, what is known of them, what follows.

SpotTune's five datasets and the Visual Decathlon have one shape: pretrained networks, datasets that they
are tuned on, and rows, each of which answers every test image of a dataset once for each training, or,
where a policy is sampled, once for each draw.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, TypedDict

import numpy as np
import pandas as pd

from farfield.errors import InputError
from farfield.results import published
from farfield.results.inputs import Dataset, in_order
from farfield.results.shown import Shown

TuningName = Literal["spottune", "decathlon"]
SCORE = "Score"  # of the decathlon, among the datasets of its published table
_ANSWER = ["method", "dataset", "replicate", "row", "draw"]


class TunedMethod(TypedDict):
    """A row of the table as its reader sees it."""

    title: str
    published: str  # name of its row in the published table, empty if it has none
    training: str  # rows of one training ask the same networks
    override: str  # of the policy at evaluation; empty for rows without a policy


class Cost(TypedDict, total=False):
    """What a method costs: parameters for all tasks in multiples of one network, and MACs an image."""

    parameters: float
    macs: float


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


@dataclass(frozen=True)
class TuningStudy(Shown):
    """Answers of fine-tuned networks, one row a test image and training, and what is known about them.

    results: columns method, dataset, replicate, row, draw, label, prediction; draw is 0 but for rows that
    sample a policy several times.
    methods, datasets: in the order in which they are shown; `published` is the name in the study's table.
    reference: the method that others are compared with, and whose errors scale the decathlon's score.
    policies: by method and dataset. curves: by method and dataset, columns epoch and policy_entropy (bits a
    decision), a row for each epoch of each training. costs: by method.
    images: by dataset, uint8 [n, h, w, 3] with the rows of `PolicyRecord.rows`; a memory map will do.
    seed: of the resamples behind the intervals of scores.
    caveats: sentences on how the run differs from the published protocol.
    """

    name: TuningName
    results: pd.DataFrame
    methods: Mapping[str, TunedMethod]
    datasets: Mapping[str, Dataset]
    reference: str
    policies: Mapping[tuple[str, str], PolicyRecord] = field(default_factory=dict)
    curves: Mapping[tuple[str, str], pd.DataFrame] = field(default_factory=dict)
    costs: Mapping[str, Cost] = field(default_factory=dict)
    images: Mapping[str, np.ndarray] = field(default_factory=dict)
    seed: int = 0
    caveats: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.reference not in self.methods:
            raise InputError(
                f"The reference '{self.reference}' of the study {self.name} is none of its methods: "
                f"{', '.join(self.methods)}. Name one of these."
            )

    @cached_property
    def published(self) -> pd.DataFrame:
        """Columns method, dataset, accuracy, parameters; without the rows of scores."""
        table = published.tuning(self.name)
        return table[table["dataset"] != SCORE].reset_index(drop=True)

    @cached_property
    def published_scores(self) -> dict[str, float]:
        """The published score of each published method, over all ten sets; empty for another study."""
        table = published.tuning(self.name)
        table = table[table["dataset"] == SCORE]
        return dict(zip(table["method"], table["accuracy"], strict=True))

    @cached_property
    def parts(self) -> dict[str, "TuningStudy"]:
        """The study on real and on procedural images, as far as there are results: never averaged."""
        kinds = {"real images": False, "procedural images": True}
        found = {}
        for kind, procedural in kinds.items():
            datasets = {k: d for k, d in self.datasets.items() if d["procedural"] == procedural}
            results = self.results[self.results["dataset"].isin(datasets)]
            if len(results):
                found[kind] = replace(self, datasets=datasets, results=results)
        return found

    @cached_property
    def accuracies(self) -> pd.DataFrame:
        """Of every single training: columns method, dataset, replicate, accuracy (percent), images."""
        self._require_consistent()
        correct = self.results["label"] == self.results["prediction"]
        grouped = self.results.assign(correct=100.0 * correct).groupby(
            ["method", "dataset", "replicate"], sort=False, as_index=False
        )
        frame = grouped.agg(accuracy=("correct", "mean"), images=("row", "nunique"))
        return in_order(frame, self.methods, self.datasets, then="replicate")

    @cached_property
    def hits(self) -> dict[str, pd.DataFrame]:
        """By dataset, how often each test image is named correctly, in percent [images, methods].

        The mean over the trainings and draws of a method. Raises InputError when the methods of a dataset
        were not all asked about the same images, in every training.
        """
        answered = self.accuracies.groupby("dataset")["images"]
        fewest, most = answered.min().to_dict(), answered.max().to_dict()
        correct = self.results.assign(
            correct=100.0 * (self.results["label"] == self.results["prediction"]).astype(float)
        )
        tables = {}
        for key in self.shown_datasets:
            own = correct[correct["dataset"] == key]
            table = own.pivot_table(index="row", columns="method", values="correct", aggfunc="mean")
            if (fewest[key], most[key]) != (len(table), len(table)):
                raise InputError(
                    f"The methods were not all tested on the same images of {key}: trainings have between "
                    f"{fewest[key]} and {most[key]} answers on {len(table)} images. Evaluate them all on the "
                    f"same rows."
                )
            tables[key] = table[[method for method in self.methods if method in table]]
        return tables

    def _require_consistent(self) -> None:
        repeated = self.results[self.results.duplicated(_ANSWER)]
        if len(repeated):
            method, dataset, replicate, row, _ = repeated.iloc[0][_ANSWER]
            raise InputError(
                f"The results of '{method}' on {dataset} hold row {row} of training {replicate} more than once "
                f"({len(repeated)} repeated rows in all); one answer an image and draw is expected. Remove the "
                f"stale results and evaluate again."
            )
        labels = self.results[["dataset", "row", "label"]].drop_duplicates()
        changed = labels[labels.duplicated(["dataset", "row"])]
        if len(changed):
            dataset, row = changed.iloc[0][["dataset", "row"]]
            raise InputError(
                f"Row {row} of {dataset} has different labels in the results of different methods, so they "
                f"were evaluated on different versions of the dataset. Evaluate them all again."
            )
