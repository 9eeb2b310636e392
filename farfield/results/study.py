"""A study as a value: what was measured, of which rows and cells, and what chance there is in it. Data only.

What follows from a study are free functions of it (`intervals`, `derived`, `claims`), kept by
`findings.Findings`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, NotRequired, Self, TypedDict

import pandas as pd

from farfield.errors import InputError
from farfield.results.inputs import Dataset, listed, reservations
from farfield.results.scores import SELECTION, place, require_described

MARK = " [T]"  # behind the title of a transductive row


class Row(TypedDict):
    """A row of the tables, a method, as its reader sees it."""

    title: str
    published: str  # name of its row in the published table, empty if it has none
    family: NotRequired[
        str
    ]  # few-shot: "meta-learning", "transfer", "ensemble", "ImageNet network"; one shares a row of figures
    transductive: NotRequired[bool]  # sees all queries of an episode at once; its title then ends in MARK
    seen: NotRequired[str]  # few-shot: what its network has learned from before it saw an episode
    training: NotRequired[str]  # rows of one training ask the same networks
    override: NotRequired[str]  # of the policy at evaluation; empty for rows without a policy
    # dense tasks; ablation: any row beyond the published table, such as AdaShare without a part.
    kind: NotRequired[Literal["baseline", "adashare", "ablation", "reference"]]


@dataclass(frozen=True)
class Varies:
    """What another run of a study would draw anew, and by which law its intervals are.

    units: the test cases, which all rows share: differences are taken case by case. trainings: "no", "both"
    where they count if both rows of a difference have several, or "borrow" where one row with several is
    enough and the other is taken to vary alike. law: 1.96 standard errors of the population, or Student's
    quantile.
    """

    units: bool = True
    trainings: Literal["no", "both", "borrow"] = "no"
    law: Literal["1.96", "student"] = "student"


# What makes two datasets' numbers ones that are never averaged: the field that tells, and its values with titles.
_SPLITS: Mapping[str, Mapping[str, object]] = {
    "study": {"crossdomain": "crossdomain", "documents": "documents"},
    "procedural": {"real images": False, "procedural images": True},
}


@dataclass(frozen=True, eq=False)
class Study:
    """scores: SCORES of `farfield.results.scores`. rows, datasets: in the order in which they are shown.

    reference: the row that every other is compared with. published: a table of `farfield.results.published`,
    empty without one.
    split: the field of datasets by which the study falls into parts. seed: of resamples and sign flips.
    costs: by row, what its networks cost. caveats: sentences on how the run differs from the published one.
    Raises InputError for a row or dataset of `scores` that is not described, a reference that is no row, or a
    transductive row without its mark.
    """

    name: str
    scores: pd.DataFrame
    rows: Mapping[str, Row]
    datasets: Mapping[str, Dataset]
    reference: str
    published: pd.DataFrame = field(default_factory=pd.DataFrame)
    varies: Varies = Varies()
    split: str = ""
    seed: int = 0
    costs: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    caveats: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.reference not in self.rows:
            raise InputError(
                f"The reference '{self.reference}' of the study {self.name} is none of its methods: "
                f"{', '.join(self.rows)}. Name one of these."
            )
        unmarked = [
            row["title"]
            for row in self.rows.values()
            if row.get("transductive", False) and not row["title"].endswith(MARK)
        ]
        if unmarked:
            raise InputError(
                f"'{unmarked[0]}' of the study {self.name} sees all queries of an episode at once and has no "
                f"mark; other rows do not see them. End its title in '{MARK}'."
            )
        require_described(self.name, "method", self.scores["row"].unique(), self.rows)
        require_described(self.name, "cell", self._present, self.known_cells)

    @property
    def known_cells(self) -> list[str]:
        """The cells that results may be of, in the order in which they are shown."""
        ranks = {name: i for i, name in enumerate(self.datasets)}
        known = [cell for cell in self._present if place(cell)[0] in ranks]
        return sorted(known, key=lambda cell: (ranks[str(place(cell)[0])], place(cell)[1:]))

    @cached_property
    def _present(self) -> list[str]:
        return list(self.scores.loc[self.scores["metric"] != SELECTION, "cell"].unique())

    @cached_property
    def cells(self) -> list[str]:
        """Those that have results."""
        present = set(self._present)
        return [cell for cell in self.known_cells if cell in present]

    @cached_property
    def metrics(self) -> dict[str, list[str]]:
        """The names of the metrics of each cell, in the order of appearance."""
        pairs = self.scores.loc[self.scores["metric"] != SELECTION, ["cell", "metric"]].drop_duplicates()
        return {str(cell): own.tolist() for cell, own in pairs.groupby("cell")["metric"]}

    @cached_property
    def shown_rows(self) -> list[str]:
        """Those that have results."""
        present = set(self.scores["row"].unique())
        return [key for key in self.rows if key in present]

    @property
    def shown_datasets(self) -> list[str]:
        """Those that have results."""
        return list(dict.fromkeys(str(place(cell)[0]) for cell in self.cells))

    @cached_property
    def units(self) -> dict[str, pd.DataFrame]:
        """By cell what each test case gave [units, rows], the mean over trainings and draws; NaN where
        none."""
        found = {}
        for cell, own in self.scores.groupby("cell", sort=False):
            wide = own.pivot_table(index="unit", columns="row", values="value", aggfunc="mean")
            found[str(cell)] = wide[[key for key in self.rows if key in wide]]
        return found

    @cached_property
    def trained(self) -> dict[tuple[str, str, str], pd.DataFrame]:
        """By row, cell and metric what trainings gave, columns training, value, selection (NaN where none
        is).

        A line a training, with its mean over test cases; where test cases are no source of chance, a line a
        sample, so that the same training may come again.
        """
        key = ["row", "cell", "metric"]
        if self.varies.units:
            means = self.scores.groupby([*key, "training"], as_index=False)["value"].mean()
            return {_key(cell): own for cell, own in means.assign(selection=float("nan")).groupby(key)}
        chosen = self.scores[self.scores["metric"] == SELECTION].set_index(["row", "unit"])["value"]
        own = self.scores[self.scores["metric"] != SELECTION]
        chosen = chosen.reindex(pd.MultiIndex.from_frame(own[["row", "unit"]]))
        return {_key(cell): one for cell, one in own.assign(selection=chosen.to_numpy()).groupby(key)}

    @property
    def names(self) -> str:
        """The titles of its datasets, listed."""
        return listed([self.datasets[key]["title"] for key in self.shown_datasets])

    @property
    def reservations(self) -> list[str]:
        return [*reservations([self.datasets[key] for key in self.shown_datasets]), *self.caveats]

    @cached_property
    def parts(self) -> dict[str, Self]:
        """By title the parts that have results and are never averaged with each other; the study, if it has
        no such split."""
        if not self.split:
            return {self.name: self}
        found = {}
        for title, value in _SPLITS[self.split].items():
            datasets = {key: card for key, card in self.datasets.items() if card[self.split] == value}  # type: ignore[literal-required]
            cells = [cell for cell in self.cells if place(cell)[0] in datasets]
            if cells:
                scores = self.scores[self.scores["cell"].isin(cells)]
                found[title] = replace(self, scores=scores, datasets=datasets)
        return found

    def title_of(self, row: Any) -> str:
        return self.rows[row]["title"]


def _key(values: Any) -> tuple[str, str, str]:
    row, cell, metric = values
    return row, cell, metric
