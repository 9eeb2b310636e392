"""Which row within a domain is ahead when all are trained alike."""

import pandas as pd

from farfield.report.answers import Answer
from farfield.report.winners import ahead_by, surety_of
from farfield.report.wording import drawn
from farfield.results.findings import Findings
from farfield.results.indomain import COLUMNS
from farfield.results.intervals import compare
from farfield.results.scores import place
from farfield.results.study import Study


def indomain_answer(slug: str, title: str, found: Findings[Study]) -> Answer:
    """The best row on the first dataset by the recipe that all share, and whether it is the best by its own."""
    study = found.study
    key = study.shown_datasets[0]
    asked = (
        f"Which method learns new classes of {drawn([study.datasets[key]])} best, if all are trained alike?"
    )
    order: dict[str, list[str]] = {}
    means: dict[str, pd.Series] = {}
    cells = {
        column: [c for c in study.cells if place(c)[0] == key and place(c)[2] == column] for column in COLUMNS
    }
    for column, own in cells.items():
        known = found.summary[found.summary["cell"].isin(own)].groupby("row")["mean"].agg(["mean", "count"])
        means[column] = known[known["count"] == len(own)]["mean"].sort_values(ascending=False, kind="stable")
        order[column] = [str(row) for row in means[column].index]
    published, shared = COLUMNS
    if len(order[shared]) < 2:
        return Answer(slug, title, asked, "Fewer than two methods ran.", "not known", "")
    best, second = order[shared][:2]
    rows = len(order[shared])
    said = f"{study.title_of(best)} is best of {rows}: {means[shared][best]:.1f} % right on average."
    if order[published] and order[published][0] != best:
        other = order[published][0]
        said += (
            f" By the recipes of their papers it is {study.title_of(other)}, {means[published][other]:.1f} %."
        )
    apart = compare(study, best, second, cells[shared])
    because = (
        f"{ahead_by(study, best, second, apart.difference, apart.ci95)} on the same episodes, of one training a "
        f"row, adjusted for its {rows - 1} rivals."
    )
    return Answer(slug, title, asked, said, surety_of(apart, rows - 1), because)
