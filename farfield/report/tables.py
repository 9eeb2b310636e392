"""The few-shot results as numbers for Git and as tables for readers, beside the published ones.

Every function takes summaries of `farfield.episodes.statistics` whose rows are in the order of
`inputs.in_order`. Published numbers come as columns method, dataset, shot, accuracy, ci95, with the
names that methods and datasets have in the published table.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from farfield.report.cells import EMPTY, Cell, Column, Kind, Table, number, words
from farfield.results.inputs import Dataset, Method, is_real, labelled, reservation, reservations

SIGNIFICANT = 0.05  # of a p-value adjusted by Holm's method
Metrics = dict[str, dict[str, dict[str, dict[str, float]]]]
Key = tuple[Any, ...]


def metrics(summary: pd.DataFrame) -> Metrics:
    """{method: {dataset: {"5-shot": {"accuracy": 81.3, "ci95": 0.5}}}}, in the order of `summary`."""
    result: Metrics = {}
    for row in summary.to_dict("records"):
        cell = {name: round(float(row[name]), 2) for name in ("accuracy", "ci95")}
        result.setdefault(row["method"], {}).setdefault(row["dataset"], {})[f"{row['shot']}-shot"] = cell
    return result


def accuracy_table(
    summary: pd.DataFrame,
    published: pd.DataFrame,
    methods: Mapping[str, Method],
    datasets: Mapping[str, Dataset],
    dataset: str,
) -> Table:
    """Ours beside the published accuracies on `dataset`, with intervals; a method is a row.

    Published methods that did not run stand below, with nothing in our columns.
    Where the images are not those of the published dataset, the caption, the heading of the published
    column and the note all say so.
    """
    card = datasets[dataset]
    ours = summary[summary["dataset"] == dataset]
    theirs = published[published["dataset"] == card["published"]]
    our_cells = _cells(ours, "method", "shot")
    their_cells = _cells(theirs, "method", "shot", kind="published")
    run, reported = set(ours["method"]), set(theirs["method"])
    shots = sorted(set(ours["shot"]))
    rows = []
    for key in (key for key in methods if key in run or methods[key]["published"] in reported):
        cells = [words(methods[key]["title"]), words(methods[key]["family"]), _episodes(ours, key)]
        for shot in shots:
            cells.append(our_cells.get((key, shot), EMPTY))
            if len(theirs):
                cells.append(their_cells.get((methods[key]["published"], shot), EMPTY))
        rows.append(cells)
    shown = {method["published"] for method in methods.values()}
    others = theirs[~theirs["method"].isin(shown)].drop_duplicates("method")
    for title, family in zip(others["method"], others["family"], strict=True):
        cells = [words(title), words(family), EMPTY]
        for shot in shots:
            cells += [EMPTY, their_cells.get((title, shot), EMPTY)]
        rows.append(cells)
    pair = ["ours", published_title(card)] if len(theirs) else ["ours"]
    columns = [Column("Method"), Column("Family"), Column("Episodes")]
    columns += [Column(title, f"{shot}-shot") for shot in shots for title in pair]
    note = reservation(card)
    if note and len(theirs):
        note += " The published numbers are shown for reference only."
    return Table(
        caption=f"Accuracy on {labelled(card)} in percent, with 95 % intervals",
        columns=tuple(columns),
        rows=with_best(rows, first=3),
        note=note,
    )


def overview_table(
    summary: pd.DataFrame, methods: Mapping[str, Method], datasets: Mapping[str, Dataset]
) -> Table:
    """Ours alone: the mean over shots on each dataset, and the mean of these.

    A method that was not run at every shot of a dataset has no mean there, since the rest would be a
    mean over easier or harder cells; nor has it one over datasets if it lacks any.
    """
    present = [key for key in datasets if key in set(summary["dataset"])]
    shots = {key: summary.loc[summary["dataset"] == key, "shot"].nunique() for key in present}
    rows = []
    for key in (key for key in methods if key in set(summary["method"])):
        own = summary[summary["method"] == key].groupby("dataset")["accuracy"]
        means, counts = own.mean(), own.count()
        complete = [name for name in present if counts.get(name, 0) == shots[name]]
        cells = [words(methods[key]["title"]), words(methods[key]["family"]), _episodes(summary, key)]
        cells += [number(means[name]) if name in complete else EMPTY for name in present]
        cells.append(number(means[present].mean()) if complete == present else EMPTY)
        rows.append(cells)
    return Table(
        caption="Mean accuracy over shots in percent",
        columns=(
            Column("Method"),
            Column("Family"),
            Column("Episodes"),
            *(Column(labelled(datasets[key]), "Nearest to farthest from natural images") for key in present),
            Column("Mean"),
        ),
        rows=with_best(rows, first=3),
        note=" ".join(reservations([datasets[key] for key in present])),
    )


def paired_table(
    differences: pd.DataFrame, methods: Mapping[str, Method], datasets: Mapping[str, Dataset]
) -> Table:
    """Differences to the reference method on shared episodes; marked where they are significant.

    differences: DIFFERENCE_COLUMNS of `farfield.results.comparisons`.
    """
    cells = {
        (row["method"], row["dataset"], row["shot"]): number(
            row["difference"], row["ci95"], direction(row["difference"], row["holm"]), signed=True
        )
        for row in differences.to_dict("records")
    }
    present = set(differences["dataset"])
    grid = [
        (name, shot)
        for name in datasets
        if name in present
        for shot in sorted(set(differences.loc[differences["dataset"] == name, "shot"]))
    ]
    reference = methods[differences["reference"].iloc[0]]["title"] if len(differences) else ""
    return Table(
        caption=f"Difference to {reference} in percentage points, with 95 % intervals, on the same episodes",
        columns=(
            Column("Method"),
            *(Column(f"{shot}-shot", labelled(datasets[name])) for name, shot in grid),
        ),
        rows=tuple(
            (words(methods[key]["title"]), *(cells.get((key, *cell), EMPTY) for cell in grid))
            for key in methods
            if key in set(differences["method"])
        ),
        note=f"▲ and ▼ mark differences that are significant at 5 % by a sign-flip test, adjusted by Holm's "
        f"method for the {len(differences)} comparisons of this table.",
    )


def choices_table(
    choices: pd.DataFrame, methods: Mapping[str, Method], datasets: Mapping[str, Dataset]
) -> Table:
    """How often each choice was taken; columns method, dataset, shot, choice, episodes."""
    grid = [
        (name, shot)
        for name in datasets
        for shot in sorted(set(choices.loc[choices["dataset"] == name, "shot"]))
    ]
    counts = choices.groupby(["method", "choice", "dataset", "shot"], sort=False)["episodes"].sum().to_dict()
    rows = choices[["method", "choice"]].drop_duplicates().itertuples(index=False, name=None)
    return Table(
        caption="How often each choice was taken, over all episodes",
        columns=(
            Column("Method"),
            Column("Choice"),
            *(Column(f"{shot}-shot", labelled(datasets[name])) for name, shot in grid),
        ),
        rows=tuple(
            (
                words(methods[method]["title"]),
                words(choice),
                *(_count(counts.get((method, choice, *cell), 0)) for cell in grid),
            )
            for method, choice in rows
        ),
    )


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


def _count(number: int) -> Cell:
    return Cell(str(number), value=float(number))


def _cells(frame: pd.DataFrame, *key: str, kind: Kind = "") -> dict[Key, Cell]:
    values = zip(frame["accuracy"], frame["ci95"], strict=True)
    keys = frame[list(key)].itertuples(index=False, name=None)
    return {cell: number(*value, kind) for cell, value in zip(keys, values, strict=True)}


def _episodes(ours: pd.DataFrame, method: str) -> Cell:
    counts = ours.loc[ours["method"] == method, "episodes"]
    if counts.empty:
        return EMPTY
    low, high = counts.min(), counts.max()
    return Cell(str(low) if low == high else f"{low}–{high}", value=float(high))
