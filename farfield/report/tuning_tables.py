"""Fine-tuning results as numbers for Git and as tables for readers, beside the published ones.

Every function takes a study whose datasets may be averaged: one of the `parts` of a `TuningStudy`.
"""

from collections.abc import Mapping

import pandas as pd

from farfield.report.cells import EMPTY, Cell, Column, Table, number, words
from farfield.report.claims_page import VERDICT_MARKS, difference_cell, published_difference
from farfield.report.tables import direction, published_title, with_best
from farfield.results.inputs import is_real, labelled
from farfield.results.tuning_claims import Comparison, JudgedTuning, Published
from farfield.results.tuning_study import TuningStudy

Metrics = dict[str, dict[str, dict[str, float]]]


def metrics(summary: pd.DataFrame) -> Metrics:
    """{method: {dataset: {"accuracy": 81.3, "ci95": 0.5, "std": 0.2}}}; no std for a single training."""
    result: Metrics = {}
    for row in summary.to_dict("records"):
        names = ["accuracy", "ci95", *(["std"] if row["trainings"] > 1 else [])]
        cell = {name: round(float(row[name]), 2) for name in names}
        result.setdefault(row["method"], {})[row["dataset"]] = cell
    return result


def accuracy_table(study: TuningStudy, summary: pd.DataFrame) -> Table:
    """Ours beside the published accuracies, a pair of columns a dataset; a method is a row.

    Published methods that did not run stand below. The mean is over the datasets of `study`, and only for
    methods that have them all.
    """
    ours = {
        (row["method"], row["dataset"]): number(row["accuracy"], row["ci95"])
        for row in summary.to_dict("records")
    }
    theirs = {
        (row["method"], row["dataset"]): number(row["accuracy"], kind="published")
        for row in study.published.to_dict("records")
    }
    shown = study.shown_datasets
    names = {key: study.datasets[key]["published"] for key in shown}
    known = {name for _, name in theirs} & set(names.values())
    rows = []
    for key in study.shown_methods:
        cells = [words(study.methods[key]["title"]), trainings_cell(summary, key)]
        for dataset in shown:
            cells.append(ours.get((key, dataset), EMPTY))
            if names[dataset] in known:
                cells.append(theirs.get((study.methods[key]["published"], names[dataset]), EMPTY))
        values = [cell.value for dataset in shown if (cell := ours.get((key, dataset)))]
        mean = sum(value for value in values if isinstance(value, float)) / len(values)
        rows.append([*cells, number(mean) if len(values) == len(shown) else EMPTY])
    ran = {study.methods[key]["published"] for key in study.shown_methods}
    for name in dict.fromkeys(study.published["method"]) if known else ():
        if name not in ran:
            cells = [words(name), EMPTY]
            for dataset in shown:
                cells.append(EMPTY)
                if names[dataset] in known:
                    cells.append(theirs.get((name, names[dataset]), EMPTY))
            rows.append([*cells, EMPTY])
    columns = [Column("Method"), Column("Trainings")]
    for dataset in shown:
        card = study.datasets[dataset]
        columns.append(Column("ours", labelled(card)))
        if names[dataset] in known:
            columns.append(Column(published_title(card), labelled(card)))
    return Table(
        caption="Accuracy on test images in percent",
        columns=(*columns, Column("ours", "Mean")),
        rows=with_best(rows, first=2),
        note="± is the 95 % interval over test images, for the networks that were trained; what another "
        f"training would change is a question of its own.{_for_reference(study, known)}",
        style="wrapped",
    )


def trainings_table(study: TuningStudy, summary: pd.DataFrame) -> Table | None:
    """What another seed changes: methods with several trainings; None if all have one."""
    several = summary[summary["trainings"] > 1]
    if several.empty:
        return None
    found = {(row["method"], row["dataset"]): row for row in several.to_dict("records")}
    rows = []
    for key in study.shown_methods:
        if key in set(several["method"]):
            cells = [words(study.methods[key]["title"]), trainings_cell(several, key)]
            for dataset in study.shown_datasets:
                row = found.get((key, dataset))
                cells += [number(row["accuracy"], row["trainings_ci95"]), number(row["std"])] if row else []
                cells += [] if row else [EMPTY, EMPTY]
            rows.append(tuple(cells))
    return Table(
        caption="Accuracy over trainings that differ in their seed alone, in percent",
        columns=(
            Column("Method"),
            Column("Trainings"),
            *(
                Column(title, labelled(study.datasets[dataset]))
                for dataset in study.shown_datasets
                for title in ("mean", "deviation")
            ),
        ),
        rows=tuple(rows),
        note="± is Student's 95 % interval of the mean over trainings, on the same test images; deviation is "
        "the standard deviation between trainings.",
    )


def paired_table(study: TuningStudy, differences: pd.DataFrame) -> Table:
    """Every method minus the reference on the same images; DIFFERENCE_COLUMNS of the statistics."""
    cells = {
        (row["method"], row["dataset"]): number(
            row["difference"], row["ci95"], direction(row["difference"], row["holm"]), signed=True
        )
        for row in differences.to_dict("records")
    }
    over = differences.groupby("method")["over_trainings"].all().to_dict()
    present = set(differences["dataset"])
    shown = [key for key in study.shown_datasets if key in present]
    return Table(
        caption=f"Difference to {study.methods[study.reference]['title']} in percentage points, with 95 % "
        "intervals, on the same test images",
        columns=(
            Column("Method"),
            Column("Interval over"),
            *(Column(labelled(study.datasets[key])) for key in shown),
        ),
        rows=tuple(
            (
                words(study.methods[key]["title"]),
                words("images and trainings" if over[key] else "images"),
                *(cells.get((key, dataset), EMPTY) for dataset in shown),
            )
            for key in study.shown_methods
            if key in over
        ),
        note=f"▲ and ▼ mark differences that are significant at 5 %, adjusted by Holm's method for the "
        f"{len(differences)} comparisons of this table. Where one of the two was trained once, its interval is "
        "over images alone, and another training may well fall outside it.",
    )


def cost_table(study: TuningStudy) -> Table | None:
    """Parameters and multiply-accumulates of each method, beside the published parameters."""
    theirs = study.published.dropna(subset=["parameters"]).drop_duplicates("method")
    published = dict(zip(theirs["method"], theirs["parameters"], strict=True))
    costs = {key: study.costs[key] for key in study.shown_methods if key in study.costs}
    if not costs:
        return None
    macs = any("macs" in cost for cost in costs.values())
    rows = []
    for key, cost in costs.items():
        name = study.methods[key]["published"]
        cells = [words(study.methods[key]["title"])]
        cells.append(number(cost["parameters"]) if "parameters" in cost else EMPTY)
        if published:
            cells.append(number(published[name], kind="published") if name in published else EMPTY)
        if macs:
            cells.append(number(cost["macs"] / 1e6) if "macs" in cost else EMPTY)
        rows.append(tuple(cells))
    columns = [Column("Method"), Column("ours", "Parameters")]
    columns += [Column("published", "Parameters")] if published else []
    columns += [Column("MACs an image (millions)")] if macs else []
    return Table(
        caption="What a method costs",
        columns=tuple(columns),
        rows=tuple(rows),
        note="Parameters of the source and all tasks together in multiples of the network that fine-tuning "
        "takes, without classifiers; a binary mask counts one bit a weight. The decathlon counts nine tasks, "
        "however many ran here. Multiply-accumulates are those of evaluation: of a routed network with the "
        "chosen branch alone, of parallel adapters folded into their convolutions.",
    )


def claims_table(judged: Mapping[str, tuple[JudgedTuning, ...]]) -> Table:
    """A claim a row: verdict, deciding difference, on how many sets; a group of columns for each of `judged`."""
    titles = ("Verdict", "Difference", "Sets above", "Published", "Sets, published")
    rows = []
    for claims in zip(*judged.values(), strict=True):
        cells = [words(claims[0].claim.statement)]
        for one in claims:
            first = one.comparisons[0] if one.comparisons else None
            kind = VERDICT_MARKS.get(one.verdict, "text")
            cells.append(Cell(one.verdict, value=one.verdict, kind=kind))
            cells.append(difference_cell(first.whole if first else None, marked=False))
            cells.append(_sets(first.above, len(first.parts)) if first else EMPTY)
            cells.append(published_difference(one.talk.difference if one.talk else None))
            cells.append(_published_sets(one.talk))
        rows.append(tuple(cells))
    return Table(
        caption="Verdicts, with the deciding mean difference over datasets in percentage points",
        columns=(Column("Claim"), *(Column(title, name) for name in judged for title in titles)),
        rows=tuple(rows),
        note="Supported: the 95 % interval lies above zero. Contradicted: below. Undecided: it includes zero. "
        "Not tested: rows are missing. Sets above: where the difference is positive, surely or not. "
        "Published: the same in the whole published table.",
        style="wrapped",
    )


def evidence_table(study: TuningStudy, comparisons: tuple[Comparison, ...]) -> Table:
    """The comparisons of one claim, over all datasets and on each, beside the published differences."""
    rows = [(words("over all"), *(cell for one in comparisons for cell in _over_all(one)))]
    for key in study.shown_datasets:
        cells = [words(labelled(study.datasets[key]))]
        for one in comparisons:
            cells += [difference_cell(one.parts.get(key)), published_difference(one.published.get(key))]
        rows.append(tuple(cells))
    real = all(is_real(study.datasets[key]) for key in study.shown_datasets)
    other = "published" if real else "published, on the real datasets"
    return Table(
        caption="Differences in percentage points, with 95 % intervals",
        columns=(Column("Datasets"), *(Column(t, one.title) for one in comparisons for t in ("ours", other))),
        rows=tuple(rows),
    )


def trainings_cell(summary: pd.DataFrame, method: str) -> Cell:
    """How often a method was trained, on each dataset."""
    counts = summary.loc[summary["method"] == method, "trainings"]
    low, high = counts.min(), counts.max()
    return Cell(str(low) if low == high else f"{low}–{high}", value=float(high))


def _over_all(comparison: Comparison) -> tuple[Cell, Cell]:
    """Ours, and the mean of the published differences if there is one on each dataset."""
    theirs = list(comparison.published.values())
    complete = len(theirs) == len(comparison.parts)
    mean = published_difference(sum(theirs) / len(theirs)) if complete else EMPTY
    return difference_cell(comparison.whole), mean


def _sets(above: int, sets: int, kind: str = "") -> Cell:
    return Cell(f"{above} of {sets}", value=above / sets, kind="published" if kind else "")


def _published_sets(talk: Published | None) -> Cell:
    return _sets(talk.above, talk.datasets, "published") if talk else EMPTY


def _for_reference(study: TuningStudy, known: set[str]) -> str:
    if not known or all(is_real(study.datasets[key]) for key in study.shown_datasets):
        return ""
    return " The published numbers are shown for reference only."
