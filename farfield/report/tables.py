"""Results of any study as tables for readers, beside the published ones.

A function takes the findings of a study whose cells may be averaged: of one of its `parts`.
"""

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from farfield.report.cells import EMPTY, Cell, Column, Kind, Table, number, words
from farfield.results.comparisons import SIGNIFICANT
from farfield.results.findings import Findings
from farfield.results.inputs import Dataset, is_real, labelled
from farfield.results.scores import place
from farfield.results.study import Study

Key = tuple[Any, ...]


def accuracy_table(found: Findings) -> Table:
    """Ours beside the published accuracies, a pair of columns a dataset; a method is a row.

    Published methods that did not run stand below. The mean is over the datasets of the study, and only for
    methods that have them all.
    """
    study, shown, ours = found.study, found.study.cells, cells_of(found.summary)
    theirs = {
        (row["method"], key): number(row["accuracy"], kind="published")
        for key in shown
        for row in study.published.to_dict("records")
        if row["dataset"] == study.datasets[key]["published"]
    }
    known = [key for key in shown if key in {dataset for _, dataset in theirs}]
    leads: list[Lead] = [
        (key, study.rows[key]["published"], [words(study.title_of(key)), count_cell(found.summary, key)])
        for key in study.shown_rows
    ]
    ran = {study.rows[key]["published"] for key in study.shown_rows}
    if known:
        others = [name for name in study.published["method"].unique() if name not in ran]
        leads += [(None, name, [words(name), EMPTY]) for name in others]
    rows = beside(leads, shown, ours, theirs, known)
    for (key, *_), cells in zip(leads, rows, strict=True):
        values = [cell.value for dataset in shown if (cell := ours.get((key, dataset)))]
        mean = sum(value for value in values if isinstance(value, float)) / max(len(values), 1)
        cells.append(number(mean) if len(values) == len(shown) else EMPTY)
    columns = [Column("Method"), Column("Trainings")]
    for dataset in shown:
        card = study.datasets[dataset]
        titles = ["ours", published_title(card)] if dataset in known else ["ours"]
        columns += [Column(title, labelled(card)) for title in titles]
    real = not known or all(is_real(study.datasets[key]) for key in shown)
    return Table(
        caption="Accuracy on test images in percent",
        columns=(*columns, Column("ours", "Mean")),
        rows=with_best(rows, first=2),
        note="± is the 95 % interval over test images, for the networks that were trained; what another "
        "training would change is a question of its own."
        f"{'' if real else ' The published numbers are shown for reference only.'}",
        style="wrapped",
    )


def trainings_table(found: Findings) -> Table | None:
    """What another seed changes: rows with several trainings; None if all have one."""
    study = found.study
    several = found.summary[found.summary["trainings"] > 1]
    if several.empty:
        return None
    cells = {(row["row"], row["cell"]): row for row in several.to_dict("records")}
    rows = []
    for key in study.shown_rows:
        if key in set(several["row"]):
            line = [words(study.title_of(key)), count_cell(several, key)]
            for cell in study.cells:
                row = cells.get((key, cell))
                line += (
                    [number(row["mean"], row["trainings_ci95"]), number(row["std"])] if row else [EMPTY] * 2
                )
            rows.append(tuple(line))
    headings = [labelled(study.datasets[cell]) for cell in study.cells]
    return Table(
        caption="Accuracy over trainings that differ in their seed alone, in percent",
        columns=(
            *map(Column, ("Method", "Trainings")),
            *(Column(title, heading) for heading in headings for title in ("mean", "deviation")),
        ),
        rows=tuple(rows),
        note="± is Student's 95 % interval of the mean over trainings, on the same test images; deviation is "
        "the standard deviation between trainings.",
    )


def paired_table(found: Findings) -> Table:
    """Every row minus the reference on the same test cases; marked where the difference is significant."""
    study, differences = found.study, found.differences
    trained = study.varies.law == "student"
    cells = {
        (row["row"], row["cell"]): number(
            row["difference"], row["ci95"], direction(row["difference"], row["holm"]), signed=True
        )
        for row in differences.to_dict("records")
    }
    shown = [cell for cell in study.cells if cell in set(differences["cell"])]
    rows = []
    for key in (key for key in study.shown_rows if key in set(differences["row"])):
        line = [words(study.title_of(key))]
        if trained:
            over = differences.loc[differences["row"] == key, "over_trainings"].all()
            line.append(words("images and trainings" if over else "images"))
        rows.append((*line, *(cells.get((key, cell), EMPTY) for cell in shown)))
    test = "" if trained else " by a sign-flip test"
    single = (
        " Where one of the two was trained once, its interval is over images alone, and another training may "
        "well fall outside it."
    )
    return Table(
        caption=f"Difference to {study.title_of(study.reference) if rows else ''} in percentage points, with "
        f"95 % intervals, on the same {'test images' if trained else 'episodes'}",
        columns=(
            Column("Method"),
            *([Column("Interval over")] if trained else []),
            *(column_of(study, cell) for cell in shown),
        ),
        rows=tuple(rows),
        note=f"▲ and ▼ mark differences that are significant at 5 %{test}, adjusted by Holm's method for the "
        f"{len(differences)} comparisons of this table.{single if trained else ''}",
    )


Lead = tuple[str | None, str, list[Cell]]  # a row or None, its published name, and its first cells


def beside(
    leads: Iterable[Lead],
    columns: Sequence[str],
    ours: Mapping[Key, Cell],
    theirs: Mapping[Key, Cell],
    known: Container[str],
) -> list[list[Cell]]:
    """A line for each of `leads`: in every column ours and, if it is `known`, the published beside it."""
    lines = []
    for row, name, cells in leads:
        line = [*cells]
        for column in columns:
            line.append(ours.get((row, column), EMPTY))
            line += [theirs.get((name, column), EMPTY)] if column in known else []
        lines.append(line)
    return lines


def cells_of(summary: pd.DataFrame) -> dict[Key, Cell]:
    records = summary.to_dict("records")
    return {(row["row"], row["cell"]): number(row["mean"], row["ci95"]) for row in records}


def column_of(study: Study, cell: str) -> Column:
    """The heading of a cell: its dataset, with the shot below if it has one."""
    dataset, *shots = place(cell)
    title = labelled(study.datasets[str(dataset)])
    return Column(f"{shots[0]}-shot", title) if shots else Column(title)


def direction(difference: float, holm: float) -> Kind:
    """How a difference is marked, from its p-value adjusted by Holm's method."""
    if holm >= SIGNIFICANT:
        return ""
    return "above" if difference > 0 else "below"


def published_title(dataset: Dataset) -> str:
    """The heading of published numbers beside ours, which says where they are not on the same images."""
    return "published" if is_real(dataset) else f"published, on the real {dataset['published']}"


def with_best(
    rows: list[list[Cell]], first: int, lower: Collection[int] = ()
) -> tuple[tuple[Cell, ...], ...]:
    """Mark the best number of every column from `first` on, and all that print the same.

    The best is the least in the columns `lower`, and the greatest in the others.
    """
    tops: list[str] = []
    for i, column in enumerate(zip(*rows, strict=True)):
        values = [(cell.value, cell.text) for cell in column if isinstance(cell.value, float)]
        best = min if i in lower else max
        tops.append(best(values, default=(0.0, ""))[1])
    return tuple(
        tuple(
            replace(cell, best=True)
            if i >= first and isinstance(cell.value, float) and cell.text == tops[i]
            else cell
            for i, cell in enumerate(row)
        )
        for row in rows
    )


def count(number: int) -> Cell:
    return Cell(str(number), value=float(number))


def share(part: int, whole: int, kind: Kind = "") -> Cell:
    return Cell(f"{part} of {whole}", value=part / whole, kind=kind)


def count_cell(summary: pd.DataFrame, row: str, column: str = "trainings") -> Cell:
    """How many trainings, or `units`, a row has, the fewest and the most of a cell."""
    counts = summary.loc[summary["row"] == row, column]
    if counts.empty:
        return EMPTY
    low, high = counts.min(), counts.max()
    return Cell(str(low) if low == high else f"{low}–{high}", value=float(high))
