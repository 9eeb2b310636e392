"""The page of rows that see all queries of an episode at once: balanced and Dirichlet queries side by side."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from farfield.report.cells import EMPTY, Cell, Column, Table, words
from farfield.report.numbers import flat, metrics
from farfield.report.site import Page, anchor, csv
from farfield.report.study_page import Section, StudyPage, heading
from farfield.report.tables import cells_of, direction, with_best
from farfield.report.winners import transductive_answer
from farfield.results.findings import Findings
from farfield.results.inputs import badge, labelled
from farfield.results.scores import place
from farfield.results.study import MARK, Study
from farfield.results.transductive import against_reference

TITLE = "Transductive methods"


def transductive_page(found: Findings[Study], assumes: Mapping[str, str]) -> Page:
    """assumes: by transductive row what it takes for granted of the queries, in words."""
    study, differences = found.study, against_reference(found.study)
    tables = {key: transductive_table(found, differences, assumes, key) for key in study.shown_datasets}
    blocks = []
    for key, table in tables.items():
        card = study.datasets[key]
        blocks += [heading(card["title"], anchor(card["title"]), badge(card)), ("table", table)]
    return StudyPage(
        "transductive",
        TITLE,
        TITLE,
        study.reservations,
        [Section("tables", "Balanced and Dirichlet queries", blocks)],
        csv(flat(found.summary, "queries"), 4),
        [*tables.values()],
        answer=transductive_answer("transductive", TITLE, found, differences),
        texts={
            "lead": f"Rows marked{MARK} see all queries of an episode at once, which the other rows do not. What "
            "they assume of the queries is true for episodes with as many of each class, and seldom elsewhere. "
            "So each row is measured on both, in pairs on the same episodes."
        },
    ).page


def transductive_table(
    found: Findings[Study], differences: pd.DataFrame, assumes: Mapping[str, str], dataset: str
) -> Table:
    """Every row on one dataset, a pair of columns a shot: accuracy on balanced and on Dirichlet queries."""
    study, ours = found.study, cells_of(found.summary)
    shown = [cell for cell in study.cells if place(cell)[0] == dataset]
    kinds = {
        (line["row"], line["cell"]): direction(line["difference"], line["holm"])
        for line in differences.to_dict("records")
    }
    rows = []
    for key in study.shown_rows:
        cells: list[Cell] = [
            words(study.title_of(key)),
            words(assumes.get(key, "nothing: each query by itself")),
        ]
        for cell in shown:
            one = ours.get((key, cell), EMPTY)
            cells.append(replace(one, kind=kinds.get((key, cell), "")))
        rows.append(cells)
    return Table(
        caption=f"Accuracy (%) on {labelled(study.datasets[dataset])}, with 95 % intervals",
        columns=(
            Column("Method"),
            Column("Assumes of the queries"),
            *(Column(place(cell)[2].title(), f"{place(cell)[1]}-shot") for cell in shown),  # type: ignore[union-attr]
        ),
        rows=with_best(rows, 2),
        note=f"{MARK.strip()}: transductive. Dirichlet queries are a part of the balanced ones. ▲ and ▼ mark "
        f"differences to {study.title_of(study.reference)} on the same queries that are significant at 5 % by a "
        f"sign-flip test, adjusted by Holm's method for the {len(differences)} comparisons of the page.",
        style="wrapped",
    )


def transductive_metrics(found: Findings[Study]) -> dict[str, Any]:
    """{row: {dataset: {"5-shot": {"balanced": 81.3, "dirichlet": 80.9}}}}; of rows that answer each query by
    itself "dirichlet" alone, as their balanced queries are those of the few-shot study."""
    alone = [key for key, row in found.study.rows.items() if not row.get("transductive")]
    summary = found.summary
    return metrics(summary[~(summary["row"].isin(alone) & summary["cell"].str.endswith(" balanced"))])
