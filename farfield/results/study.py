"""The few-shot study as a value: results, what is known of them, and what follows from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import pandas as pd

from farfield.episodes.statistics import summarise
from farfield.results.comparisons import Comparisons, against, compare, pooled
from farfield.results.contrasts import by_cell
from farfield.results.inputs import (
    Dataset,
    MetaTraining,
    Method,
    Study,
    Training,
    in_order,
)
from farfield.results.published import cross_domain
from farfield.results.shown import Shown
from farfield.results.verdicts import JudgedClaim, judge

SHORT_TITLES: dict[Study, str] = {"crossdomain": "Across domains", "documents": "On documents"}


@dataclass(frozen=True)
class FewShotStudy(Shown):
    """Results of few-shot methods, one row an episode, and what is known about them.

    results: columns method, dataset, shot, episode, accuracy (percent).
    methods, datasets: in the order in which they are shown; datasets from near to far.
    reference: the method that every other is compared with, on the same episodes.
    training: curves of the source models that methods build on, by name.
    published: columns family, method, dataset, shot, accuracy, ci95.
    seed: of the resamples and sign flips behind intervals and tests.
    meta: how meta-learners were trained, by method or model.
    choices: what ensembles that select chose: columns method, dataset, shot, choice, episodes, with how
    often `choice` (a layer or model, in words) was taken, over all episodes.
    caveats: sentences on how the run differs from the published protocol.
    """

    results: pd.DataFrame
    methods: Mapping[str, Method]
    datasets: Mapping[str, Dataset]
    reference: str
    training: Mapping[str, Training] = field(default_factory=dict)
    published: pd.DataFrame = field(default_factory=cross_domain)
    way: int = 5
    query: int = 15
    seed: int = 0
    meta: Mapping[str, MetaTraining] = field(default_factory=dict)
    choices: pd.DataFrame | None = None
    caveats: tuple[str, ...] = ()

    def part(self, study: Study) -> "FewShotStudy | None":
        """The study on the datasets of `study` alone; None if nothing ran on them."""
        datasets = {key: dataset for key, dataset in self.datasets.items() if dataset["study"] == study}
        results = self.results[self.results["dataset"].isin(datasets)]
        if results.empty:
            return None
        choices = self.choices
        if choices is not None:
            choices = choices[choices["dataset"].isin(datasets)]
        return replace(self, results=results, datasets=datasets, choices=choices)

    @cached_property
    def parts(self) -> dict[Study, "FewShotStudy"]:
        """The parts that have results."""
        studies: tuple[Study, ...] = ("crossdomain", "documents")
        return {study: part for study in studies if (part := self.part(study))}

    @cached_property
    def summary(self) -> pd.DataFrame:
        return in_order(summarise(self.results), self.methods, self.datasets)

    @cached_property
    def comparisons(self) -> Comparisons:
        """All pairs of methods, in the order of `methods`."""
        return compare(self.results, self.shown_methods, self.seed)

    @cached_property
    def differences(self) -> pd.DataFrame:
        """Every method minus the reference; empty if the reference did not run."""
        ran = self.reference in self.shown_methods
        rows = against(self.comparisons.pairs if ran else self.comparisons.pairs[:0], self.reference)
        return in_order(rows, self.methods, self.datasets)

    @cached_property
    def by_dataset(self) -> dict[str, pd.DataFrame]:
        """All pairs on each dataset, averaged over its shots."""
        cells = by_cell(self.results)
        return {
            key: pooled(
                {cell: table for cell, table in cells.items() if cell[0] == key},
                self.shown_methods,
                self.seed,
            )
            for key in self.shown_datasets
        }

    @cached_property
    def claims(self) -> tuple[JudgedClaim, ...]:
        return judge(self.results, self.published, self.methods, self.datasets, self.seed)

    @cached_property
    def shots(self) -> list[int]:
        return sorted(set(self.summary["shot"].tolist()))
