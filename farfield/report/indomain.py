"""The page of rows trained and tested on classes of one dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from farfield.report.cells import EMPTY, Cell, Column, Table, number, words
from farfield.report.claims_tables import claims_table, difference_cell, sections
from farfield.report.index_page import Headline
from farfield.report.indomain_winner import indomain_answer
from farfield.report.numbers import flat
from farfield.report.site import Page, anchor, csv
from farfield.report.study_page import Block, Section, StudyPage, heading
from farfield.report.tables import cells_of, count, published_title, with_best
from farfield.report.wording import FEWSHOT
from farfield.results.findings import Findings
from farfield.results.indomain import COLUMNS
from farfield.results.inputs import Dataset, badge, labelled
from farfield.results.intervals import Difference
from farfield.results.scores import place
from farfield.results.study import Study

TITLE = "Few-shot learning within a domain"
REFERENCE = "miniImageNet"  # whose published numbers stand beside a dataset that the table has not
OWN, COMMON = COLUMNS
_HEADINGS = {OWN: "own recipe", COMMON: "common recipe"}


@dataclass(frozen=True)
class Trained:
    """How a row was trained in one column on one dataset: what the table says beside its accuracy.

    tasks: such as "5-way, 1 to 5 shots, 15 queries; answers 1 and 5". optimizer: and its first rate. test: what
    the published number is over. remarks: what of the published recipe is recalled or different.
    """

    row: str
    dataset: str
    column: str
    start: str
    network: str
    parameters: int
    trained_on: str
    classes: int
    tasks: str
    optimizer: str
    episodes: int
    test: str
    remarks: str


Gains = Mapping[tuple[str, str, int, str], Difference]


def indomain_page(found: Findings[Study], trained: Sequence[Trained], gains: Gains) -> Page:
    study = found.study
    blocks: list[Block] = []
    tables: list[Table | str | None] = []
    for key in study.shown_datasets:
        card, grid = study.datasets[key], accuracies_table(found, trained, key)
        blocks += [heading(card["title"], anchor(card["title"]), badge(card)), ("table", grid)]
        tables += [f"## {card['title']}\n", grid]
    learned, recipes = gains_table(found, gains), recipes_table(study, trained)
    verdicts = claims_table({"": found.claims}, FEWSHOT)
    evidence: list[Block] = [("table", verdicts)]
    for claim, [(_, one, sentence, _, table)] in sections({"": found}, {"": found.claims}, FEWSHOT, "Cells"):
        evidence += [
            heading(claim.statement, anchor(claim.key), ""),
            ("verdict", (one.verdict, claim.measured, sentence)),
            ("table", table),
        ]
    return StudyPage(
        "indomain",
        TITLE,
        TITLE,
        study.reservations,
        [
            Section("tables", "Every row by its own recipe, and all by one", blocks),
            Section("claims", "What this literature says", evidence),
            Section("learned", "What training added", [("table", learned)]),
            Section("recipes", "How each row was trained", [("table", recipes)]),
        ],
        csv(flat(found.summary, "recipe"), 4),
        [*tables, verdicts, learned, recipes],
        answer=indomain_answer("indomain", TITLE, found),
        texts={
            "lead": "Networks that learn from some classes of a dataset and are asked for others of the same "
            "dataset. A recipe moves a row by more than most methods do, and the published rows have almost as "
            "many networks and recipes as there are rows. So each row is trained twice: as its paper says, and "
            "by one recipe for all, from the same pretrained network, on the same classes and number of episodes."
        },
    ).page


def indomain_headline(found: Findings[Study]) -> Headline:
    """What the first page shows: accuracies in both columns on the first dataset."""
    study = found.study
    key = study.shown_datasets[0]
    lead = (
        f"{len(study.shown_rows)} methods learn five classes of {study.datasets[key]['title']} that they "
        "were not "
        f"trained on, each by its own recipe and by a common one."
    )
    return Headline("indomain", TITLE, lead, _grid(found, key, {}))


def accuracies_table(found: Findings[Study], trained: Sequence[Trained], dataset: str) -> Table:
    """Every row on one dataset: both columns at every shot, and the published numbers with their
    network."""
    return _grid(
        found, dataset, {one.row: one for one in trained if (one.dataset, one.column) == (dataset, OWN)}
    )


def _grid(found: Findings[Study], dataset: str, facts: Mapping[str, Trained]) -> Table:
    study, ours = found.study, cells_of(found.summary)
    card = study.datasets[dataset]
    shots = sorted({int(place(cell)[1]) for cell in study.cells if place(cell)[0] == dataset})
    asked = [f"{dataset} {shot}-shot {column}" for column in COLUMNS for shot in shots]
    theirs = {(row["method"], row["shot"]): row for row in _published(study, card).to_dict("records")}
    rows = []
    for key in study.shown_rows:
        cells: list[Cell] = [words(study.title_of(key))]
        if facts:
            one = facts.get(key)
            cells += [words(one.network), words(one.trained_on)] if one else [EMPTY] * 2
        cells += [ours.get((key, cell), EMPTY) for cell in asked]
        if facts:
            said = [theirs.get((study.rows[key]["published"], shot)) for shot in shots]
            cells += [
                number(row["accuracy"], None if pd.isna(row["ci95"]) else row["ci95"], "published")
                if row
                else EMPTY
                for row in said
            ]
            networks = [row["backbone"] for row in said if row]
            cells.append(words(networks[0]) if networks else EMPTY)
        rows.append(cells)
    columns = [Column("Method")]
    columns += [Column("Network"), Column("Trained on")] if facts else []
    columns += [Column(f"{shot}-shot", _HEADINGS[column]) for column in COLUMNS for shot in shots]
    note = "Intervals are over episodes, of one training a row. [T]: sees all queries of an episode at once."
    if facts:
        title = published_title({**card, "published": card["published"] or REFERENCE})
        columns += [Column(f"{shot}-shot", title) for shot in shots] + [Column("network", title)]
        note += (
            " The network and the classes are those of a row's own recipe; under the common one they are "
            "the same for "
            "all. Published numbers are over other episodes and queries, which the table of recipes names."
        )
    return Table(
        caption=f"Accuracy (%) on {labelled(card)}, 5-way, with 95 % intervals",
        columns=tuple(columns),
        rows=with_best(rows, 3 if facts else 1),
        note=note,
        style="wrapped",
    )


def _published(study: Study, card: Dataset) -> pd.DataFrame:
    known = set(study.published["dataset"])
    name = card["published"] if card["published"] in known else REFERENCE
    return study.published[study.published["dataset"] == name]


def gains_table(found: Findings[Study], gains: Gains) -> Table | None:
    """Trained minus untrained, by dataset, shot and column."""
    study = found.study
    shown = sorted({(dataset, column, shot) for _, dataset, shot, column in gains}, key=_order(study))
    if not shown:
        return None
    rows = [
        (
            words(study.title_of(key)),
            *(difference_cell(gains.get((key, dataset, shot, column))) for dataset, column, shot in shown),
        )
        for key in study.shown_rows
    ]
    return Table(
        caption="Accuracy after training minus that before, in percentage points, with 95 % intervals, on the "
        "same episodes",
        columns=(
            Column("Method"),
            *(
                Column(f"{shot}-shot", f"{labelled(study.datasets[dataset])}, {_HEADINGS[column]}")
                for dataset, column, shot in shown
            ),
        ),
        rows=tuple(rows),
        note="▲ and ▼ mark intervals on one side of zero, without adjustment for their number. Before training, "
        "a head on a pretrained network's features may already know much: Classifier-Baseline and RFS "
        "learn nothing "
        "further at all.",
        style="wrapped",
    )


def _order(study: Study) -> Any:
    ranks = {key: i for i, key in enumerate(study.datasets)}
    return lambda one: (ranks[one[0]], COLUMNS.index(one[1]), one[2])


def recipes_table(study: Study, trained: Sequence[Trained]) -> Table:
    """A line a row, dataset and column."""
    titles = ["Method", "Data", "Recipe", "Starts from", "Network", "Parameters", "Trained on", "Classes"]
    titles += ["Tasks", "Optimizer", "Episodes", "Published over", "Remarks"]
    rows = [
        (
            words(study.title_of(one.row)),
            words(study.datasets[one.dataset]["title"]),
            words(_HEADINGS[one.column]),
            words(one.start),
            words(one.network),
            count(one.parameters),
            words(one.trained_on),
            count(one.classes),
            words(one.tasks),
            words(one.optimizer),
            count(one.episodes),
            words(one.test) if one.column == OWN else EMPTY,
            words(one.remarks) if one.column == OWN and one.remarks else EMPTY,
        )
        for one in trained
    ]
    return Table(
        caption="Recipes of this run",
        columns=tuple(map(Column, titles)),
        rows=tuple(rows),
        note="Heads on features are trained on what the pretrained network says of images, once; it has seen the "
        "split train alone, whatever the head was trained on.",
        style="wrapped",
    )
