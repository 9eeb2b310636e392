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
    means: dict[str, pd.Series] = {}
    cells = {
        column: [c for c in study.cells if place(c)[0] == key and place(c)[2] == column] for column in COLUMNS
    }
    for column, own in cells.items():
        known = found.summary[found.summary["cell"].isin(own)].groupby("row")["mean"].agg(["mean", "count"])
        means[column] = known[known["count"] == len(own)]["mean"].sort_values(ascending=False, kind="stable")
    published, shared = (means[column] for column in COLUMNS)
    rows = len(shared)
    if rows < 2:
        return Answer(slug, title, asked, "Fewer than two methods ran.", "not known", "")
    best, second = map(str, shared.index[:2])
    said = f"{study.title_of(best)} is best of {rows}: {shared[best]:.1f} % right on average."
    if len(published) and (other := str(published.index[0])) != best:
        said += f" By the recipes of their papers it is {study.title_of(other)}, {published[other]:.1f} %."
    apart = compare(study, best, second, cells[COLUMNS[1]])
    because = (
        f"{ahead_by(study, best, second, apart.difference, apart.ci95)} on the same episodes, of one training a "
        f"row, adjusted for its {rows - 1} rivals."
    )
    return Answer(slug, title, asked, said, surety_of(apart, rows - 1), because)
