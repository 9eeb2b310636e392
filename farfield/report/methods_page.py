"""Every few-shot row in one table that a reader filters and sorts, and the same as a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from farfield.report.answers import counted
from farfield.report.row_pages import BLOCKS, STUDIES, block, row_slug
from farfield.report.site import Page, csv
from farfield.results.inputs import labelled
from farfield.results.scores import place
from farfield.results.study import Study

SLUG, TITLE = "methods", "All rows"


@dataclass(frozen=True)
class Heading:
    """A column: a dataset at a number of shots."""

    cell: str
    title: str
    study: str
    shot: int


@dataclass(frozen=True)
class Line:
    """A row of the table. scores: by cell its mean and 95 % interval. mean: over the cells of the first study,
    None where it lacks one."""

    key: str
    title: str
    address: str
    block: str
    family: str
    transductive: bool
    episodes: int
    scores: Mapping[str, tuple[float, float]]
    mean: float | None


def methods_page(studies: Sequence[tuple[Study, pd.DataFrame]], linked: set[str]) -> Page:
    """studies: with their summaries; the first gives the columns, of the others count the balanced queries, which
    are those of the first. linked: the rows that have a page."""
    first = studies[0][0]
    headings = [
        Heading(cell, labelled(card), card["study"], int(shot))
        for cell in first.cells
        for name, shot in [place(cell)[:2]]
        for card in [first.datasets[str(name)]]
    ]
    lines = _lines(studies, headings, linked)
    best = max(
        (line for line in lines if line.mean is not None), key=lambda line: line.mean or 0, default=None
    )
    said = f"{len(lines)} rows on {len(headings)} cells."
    if best:
        said += f" Most on average {STUDIES[headings[0].study]}: {best.title}, {best.mean:.1f} %."
    context: dict[str, Any] = {
        "headings": headings,
        "lines": lines,
        "blocks": {key: title for key, title in BLOCKS.items() if key in {line.block for line in lines}},
        "studies": {one.study: STUDIES[one.study] for one in headings},
        "shots": [(shot, shot) for shot in sorted({one.shot for one in headings})],
        "first": STUDIES[headings[0].study],
    }
    assets = {f"{SLUG}.csv": csv(_flat(lines, headings), 4)}
    return Page(SLUG, TITLE, "methods.html.j2", context, assets, answer=counted(SLUG, TITLE, said))


def _lines(
    studies: Sequence[tuple[Study, pd.DataFrame]], headings: Sequence[Heading], linked: set[str]
) -> list[Line]:
    lines: dict[str, Line] = {}
    averaged = [one.cell for one in headings if one.study == headings[0].study]
    for study, summary in studies:
        plain = summary["cell"].str.removesuffix(" balanced")
        for key in study.shown_rows:
            own = summary[summary["row"] == key].assign(cell=plain).set_index("cell")
            scores = {
                one.cell: (float(own["mean"][one.cell]), float(own["ci95"][one.cell]))
                for one in headings
                if one.cell in own.index
            }
            whole = all(cell in scores for cell in averaged)
            row = study.rows[key]
            lines.setdefault(
                key,
                Line(
                    key,
                    row["title"],
                    f"{row_slug(key)}.html" if key in linked else "",
                    block(row),
                    row.get("family", ""),
                    bool(row.get("transductive")),
                    int(own["units"].max()),
                    scores,
                    float(np.mean([scores[cell][0] for cell in averaged])) if whole else None,
                ),
            )
    return list(lines.values())


def _flat(lines: Sequence[Line], headings: Sequence[Heading]) -> pd.DataFrame:
    """A line for each row and cell that it has."""
    records = [
        {
            "method": line.key,
            "title": line.title,
            "block": line.block,
            "family": line.family,
            "queries": "transductive" if line.transductive else "inductive",
            "study": one.study,
            "dataset": place(one.cell)[0],
            "shot": one.shot,
            "episodes": line.episodes,
            "accuracy": line.scores[one.cell][0],
            "ci95": line.scores[one.cell][1],
        }
        for line in lines
        for one in headings
        if one.cell in line.scores
    ]
    return pd.DataFrame(records)
