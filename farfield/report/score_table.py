"""The decathlon's score, beside the published."""

import numpy as np

from farfield.report.cells import EMPTY, Cell, Column, Table, words
from farfield.results import published
from farfield.results.derived import DecathlonScores, inconsistent_scores
from farfield.results.families import TuningStudy
from farfield.results.findings import Findings
from farfield.results.inputs import labelled, listed
from farfield.tuning.decathlon_score import IMAGENET_ACCURACY


def score_table(found: Findings[TuningStudy]) -> Table | None:
    """Our scores, published scores in columns of their own, and what each dataset adds to ours."""
    study, scores = found.study, found.decathlon
    if scores is None:
        return None
    printed = published.decathlon_scores()
    sets = f"{len(scores.datasets)} set{'s' if len(scores.datasets) > 1 else ''}"
    columns = [Column("Method"), Column(f"over {sets}", "Score, ours")]
    if scores.imagenet is not None:
        columns.append(Column(f"with ImageNet at {IMAGENET_ACCURACY:g}\u00a0%", "Score, ours"))
    columns.append(Column("deviation", "Score, ours"))
    theirs = [scores.published, printed] if scores.published else [printed]
    columns += [Column("over these sets", "Score, published")] if scores.published else []
    columns.append(Column("over all ten sets", "Score, published"))
    columns += [Column(labelled(study.datasets[key]), "Points, ours") for key in scores.datasets]
    best = scores.table["score"].max()
    rows = []
    for row in scores.table.to_dict("records"):
        interval = f"{row['low']:.0f} to {row['high']:.0f}"
        cells = [
            words(study.title_of(row["row"])),
            Cell(f"{row['score']:.0f}", interval, float(row["score"]), best=row["score"] == best),
        ]
        if scores.imagenet is not None:
            cells.append(_score(row["score"] + scores.imagenet))
        cells.append(EMPTY if np.isnan(row["std"]) else _score(row["std"]))
        cells += [_theirs(scored.get(study.rows[row["row"]]["published"])) for scored in theirs]
        rows.append((*cells, *(_score(scores.points[row["row"]][key]) for key in scores.datasets)))
    ran = {study.rows[key]["published"] for key in scores.table["row"]}
    ours = 2 if scores.imagenet is None else 3
    for name in printed:
        if name not in ran:
            cells = [_theirs(scored.get(name)) for scored in theirs]
            rows.append((words(name), *[EMPTY] * ours, *cells, *[EMPTY] * len(scores.datasets)))
    return Table(
        caption=f"Decathlon score over the {sets} present, at most {1000 * len(scores.datasets)}",
        columns=tuple(columns),
        rows=tuple(rows),
        note=_note(study, scores),
    )


def _note(study: TuningStudy, scores: DecathlonScores) -> str:
    reference = study.title_of(study.reference)
    sentences = [
        "A dataset gives 1000 (1 − error / Emax)² points, none beyond Emax.",
        "Emax is that of the challenge."
        if scores.official
        else f"Emax is twice the error of our own {reference}, which so has 250 points a dataset: these scores "
        "compare the rows of this run, and are not those of the challenge.",
        "The interval is over test images with Emax held fixed, the deviation between trainings.",
    ]
    if scores.perfect:
        names = ", ".join(labelled(study.datasets[key]) for key in scores.perfect)
        sentences.append(f"Left out, since {reference} makes no error there: {names}.")
    if scores.published and not scores.official:
        sentences.append(
            "Published scores over these sets are computed from the published accuracies on the real datasets."
        )
    odd = [
        f"{name} {printed:.0f}, by its cells {own:.1f}"
        for name, (printed, own) in inconsistent_scores().items()
    ]
    sentences.append(
        f"Some published scores over all ten sets are not those of the accuracies in their own row: "
        f"{listed(odd)}. No rounding explains that."
    )
    return " ".join(sentences)


def _score(value: float) -> Cell:
    return Cell(f"{value:.0f}", value=float(value))


def _theirs(value: float | None) -> Cell:
    return EMPTY if value is None else Cell(f"{value:.0f}", value=float(value), kind="published")
