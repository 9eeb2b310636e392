"""What follows from a study, each computed once: the only cache of it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import pandas as pd

from farfield.results import derived
from farfield.results.claims import Judged
from farfield.results.comparisons import Comparisons, against, compare, pooled
from farfield.results.contrasts import Cells, by_cell
from farfield.results.families import SharingStudy
from farfield.results.intervals import against_reference, summarise
from farfield.results.scores import place
from farfield.results.study import Study

S = TypeVar("S", bound=Study)


@dataclass(frozen=True, eq=False)
class Findings(Generic[S]):
    """Of a study, or of one of its parts. judge: its claims on the results of one part."""

    study: S
    judge: Callable[[S], tuple[Judged, ...]]

    @cached_property
    def parts(self) -> "dict[str, Findings[S]]":
        return {title: Findings(part, self.judge) for title, part in self.study.parts.items()}

    @cached_property
    def summary(self) -> pd.DataFrame:
        """SUMMARY of `intervals`."""
        return summarise(self.study)

    @cached_property
    def differences(self) -> pd.DataFrame:
        """DIFFERENCES of `intervals`; by the law of 1.96 with a sign-flip test, see `comparisons`."""
        if self.study.varies.law == "student":
            return against_reference(self.study)
        ran = self.study.reference in self.study.shown_rows
        rows = against(self.comparisons.pairs if ran else self.comparisons.pairs[:0], self.study.reference)
        cell = rows["dataset"].astype(str) + " " + rows["shot"].astype(str) + "-shot"
        return rows.assign(row=rows["method"], cell=cell)

    @cached_property
    def claims(self) -> tuple[Judged, ...]:
        return self.judge(self.study)

    @cached_property
    def cells(self) -> Cells:
        return by_cell(self.study.scores)

    @cached_property
    def comparisons(self) -> Comparisons:
        """All pairs of rows, in the order of rows, tested over test cases."""
        return compare(self.cells, self.study.shown_rows, self.study.seed)

    @cached_property
    def by_dataset(self) -> dict[str, pd.DataFrame]:
        """All pairs on each dataset, averaged over its cells."""
        study = self.study
        return {
            key: pooled({c: t for c, t in self.cells.items() if c[0] == key}, study.shown_rows, study.seed)
            for key in study.shown_datasets
        }

    @cached_property
    def deltas(self) -> "Findings[Study]":
        """Relative performance of multi-task networks; without scores where it has no reference."""
        assert isinstance(self.study, SharingStudy)
        return Findings(derived.deltas(self.study), lambda study: ())

    @cached_property
    def decathlon(self) -> derived.DecathlonScores | None:
        """The decathlon's score; None for another study, or where the reference cannot scale it."""
        return derived.decathlon_scores(self.study) if self.study.name == "decathlon" else None

    @property
    def shots(self) -> list[int]:
        return sorted({int(shot) for cell in self.study.cells for shot in place(cell)[1:]})
