"""The page on a user's own images among the targets: how the rows of the study do on them."""

from collections.abc import Sequence
from dataclasses import replace

from farfield.report.episode_tables import episodes_table
from farfield.report.numbers import flat
from farfield.report.site import Page, csv
from farfield.report.study_page import Section, StudyPage
from farfield.report.tables import paired_table
from farfield.report.winners import fewshot_answer
from farfield.results.families import FewShotStudy
from farfield.results.findings import Findings
from farfield.results.scores import place

SLUG, TITLE = "own", "Your images"


def own_images_page(found: Findings[FewShotStudy], own: Sequence[str]) -> Page | None:
    """own: the datasets that the user added; None without one that has results."""
    study = found.study
    datasets = {
        key: card for key, card in study.datasets.items() if key in own and key in study.shown_datasets
    }
    if not datasets:
        return None
    scores = study.scores[[place(cell)[0] in datasets for cell in study.scores["cell"]]]
    part = Findings(replace(study, scores=scores, datasets=datasets), found.judge)
    tables = [episodes_table(part, key) for key in datasets]
    paired = paired_table(part) if len(part.differences) else None
    return StudyPage(
        SLUG,
        TITLE,
        TITLE,
        part.study.reservations,
        [
            Section("rows", "Every row on your images", [("table", table) for table in tables]),
            Section("paired", "Paired differences", [("table", paired)]),
        ],
        csv(flat(part.summary), 4),
        [*tables, paired],
        answer=fewshot_answer(SLUG, TITLE, part),
        texts={
            "lead": f"{part.study.names}, added to the study by `farfield add`: episodes of {study.way} of your "
            "classes, the same for every row. `farfield evaluate` makes a classifier of all of them."
        },
    ).page
