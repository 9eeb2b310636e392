"""Few-shot results as tables for readers, beside the published ones."""

import pandas as pd

from farfield.report.cells import EMPTY, Cell, Column, Table, number, words
from farfield.report.tables import Lead, beside, cells_of, count, count_cell, published_title, with_best
from farfield.report.winners import overall_means
from farfield.results.families import FewShotStudy
from farfield.results.findings import Findings
from farfield.results.inputs import labelled, reservation, reservations
from farfield.results.scores import place

HEADS, SEEN = ("Method", "Family", "Episodes"), "Has learned from"


def _lead(study: FewShotStudy, key: str, summary: pd.DataFrame) -> list[Cell]:
    row = study.rows[key]
    return [
        words(study.title_of(key)),
        words(row["family"]),
        count_cell(summary, key, "units"),
    ]


def _seen(study: FewShotStudy, key: str | None) -> Cell:
    """What its network has learned from, which stands behind the numbers: a screen then has room for them."""
    return words(study.rows[key]["seen"]) if key and "seen" in study.rows[key] else EMPTY


def episodes_table(found: Findings[FewShotStudy], dataset: str) -> Table:
    """Ours beside the published accuracies on `dataset`, with intervals; a method is a row.

    Published methods that did not run stand below, with nothing in our columns.
    Where the images are not those of the published dataset, the caption, the heading of the published
    column and the note all say so.
    """
    study, card = found.study, found.study.datasets[dataset]
    cells = [cell for cell in study.cells if place(cell)[0] == dataset]
    own = found.summary[found.summary["cell"].isin(cells)]
    table = study.published[study.published["dataset"] == card["published"]]
    theirs = {
        (row["method"], f"{dataset} {row['shot']}-shot"): number(row["accuracy"], row["ci95"], "published")
        for row in table.to_dict("records")
    }
    run, reported = set(own["row"]), set(table["method"])
    leads: list[Lead] = [
        (key, row["published"], _lead(study, key, own))
        for key, row in study.rows.items()
        if key in run or row["published"] in reported
    ]
    known = {row["published"] for row in study.rows.values()}
    others = table[~table["method"].isin(known)].drop_duplicates("method")
    for name, family in zip(others["method"], others["family"], strict=True):
        leads.append((None, name, [words(name), words(family), EMPTY]))
    pair = ["ours", published_title(card)] if len(table) else ["ours"]
    note = reservation(card)
    if note and len(table):
        note += " The published numbers are shown for reference only."
    lines = beside(leads, cells, cells_of(own), theirs, cells if len(table) else ())
    rows = [[*line, _seen(study, key)] for (key, *_), line in zip(leads, lines, strict=True)]
    return Table(
        caption=f"Accuracy on {labelled(card)} in percent, with 95 % intervals",
        columns=(
            *map(Column, HEADS),
            *(Column(title, f"{place(cell)[1]}-shot") for cell in cells for title in pair),
            Column(SEEN),
        ),
        rows=with_best(rows, first=len(HEADS)),
        note=note,
    )


def overview_table(found: Findings[FewShotStudy]) -> Table:
    """Ours alone: the mean over shots on each dataset, and the mean of these.

    A method that was not run at every shot of a dataset has no mean there, since the rest would be a
    mean over easier or harder cells; nor has it one over datasets if it lacks any.
    """
    study, present = found.study, found.study.shown_datasets
    means, overall = overall_means(found)
    rows = []
    for key in study.shown_rows:
        values = [*means.loc[key], overall[key]]
        cells = [EMPTY if pd.isna(value) else number(float(value)) for value in values]
        rows.append([*_lead(study, key, found.summary), *cells, _seen(study, key)])
    group = "Nearest to farthest from natural images"
    return Table(
        caption="Mean accuracy over shots in percent",
        columns=(
            *map(Column, HEADS),
            *(Column(labelled(study.datasets[key]), group) for key in present),
            Column("Mean"),
            Column(SEEN),
        ),
        rows=with_best(rows, first=len(HEADS)),
        note=" ".join(reservations([study.datasets[key] for key in present])),
    )


def choices_table(study: FewShotStudy) -> Table | None:
    """How often each choice of the rows that select was taken; None if there is none."""
    if study.choices is None:
        return None
    choices = study.choices[study.choices["dataset"].isin(set(study.datasets))]
    if choices.empty:
        return None
    grid = [
        (name, shot)
        for name in study.datasets
        for shot in sorted(set(choices.loc[choices["dataset"] == name, "shot"]))
    ]
    counts = choices.groupby(["method", "choice", "dataset", "shot"], sort=False)["episodes"].sum().to_dict()
    pairs = choices[["method", "choice"]].drop_duplicates().itertuples(index=False, name=None)
    columns = (Column(f"{shot}-shot", labelled(study.datasets[name])) for name, shot in grid)
    return Table(
        caption="How often each choice was taken, over all episodes",
        columns=(*map(Column, ("Method", "Choice")), *columns),
        rows=tuple(
            (
                words(study.title_of(row)),
                words(choice),
                *(count(counts.get((row, choice, *cell), 0)) for cell in grid),
            )
            for row, choice in pairs
        ),
    )
