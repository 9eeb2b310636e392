"""Rows that see all queries of an episode at once, beside rows that answer each query by itself.

A transductive row is told more than an inductive one, so wherever both stand it carries a mark: a study that
holds one refuses its title without it. And what it takes for granted may be false elsewhere, so each is measured
twice, on as many queries of each class and on queries with Dirichlet shares (`farfield.episodes.imbalance`).
These are different sets of images: cells of their own, "eurosat 5-shot balanced" and "eurosat 5-shot dirichlet".
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from farfield.episodes.imbalance import QUERIES, accuracies
from farfield.results.comparisons import holm
from farfield.results.contrasts import Contrast, by_cell, estimate, sign_flip_p
from farfield.results.inputs import Dataset
from farfield.results.scores import of_episodes, place
from farfield.results.study import MARK, Row, Study, Varies

AGAINST = ["row", "cell", "difference", "ci95", "low", "high", "p", "holm"]


def marked(title: str) -> str:
    """The title of a transductive row."""
    return title + MARK


def transductive_study(
    results: pd.DataFrame, rows: Mapping[str, Row], datasets: Mapping[str, Dataset], reference: str, seed: int
) -> Study:
    """results: columns method, dataset, shot, queries (one of QUERIES), episode, accuracy (percent).

    InputError as of `scores.of_episodes` and `Study`.
    """
    scores = of_queries(results)
    return Study("transductive", scores, rows, datasets, reference, varies=Varies(law="1.96"), seed=seed)


def of_queries(results: pd.DataFrame) -> pd.DataFrame:
    """SCORES of `results` as `transductive_study` takes them; cells name the kind of queries."""
    tables = []
    for queries in QUERIES:
        own = of_episodes("transductive", results[results["queries"] == queries])
        tables.append(own.assign(cell=own["cell"] + f" {queries}"))
    return pd.concat(tables, ignore_index=True)


def answered_alone(
    results: pd.DataFrame, asked: Mapping[tuple[str, int], np.ndarray], way: int
) -> pd.DataFrame:
    """What rows that answer each query by itself say of both kinds, as `transductive_study` takes it.

    results: columns method, dataset, shot, episode, accuracy, predictions [way * query], of balanced queries.
    asked: by dataset and shot bool [E, way * query], the Dirichlet queries of episode e in line e.
    """
    kept = ["method", "dataset", "shot", "episode", "accuracy"]
    tables = [results[kept].assign(queries="balanced")]
    for (dataset, shot), own in results.groupby(["dataset", "shot"], sort=False):
        masks = asked[str(dataset), int(str(shot))][own["episode"].to_numpy()]
        targets = np.repeat(np.arange(way), masks.shape[1] // way)
        predictions = [np.asarray(one)[mask] for one, mask in zip(own["predictions"], masks, strict=True)]
        found = accuracies(predictions, masks, targets)
        tables.append(own[kept].assign(accuracy=found, queries="dirichlet"))
    return pd.concat(tables, ignore_index=True)


def against_reference(study: Study) -> pd.DataFrame:
    """AGAINST: every row minus the reference on each cell that both have, in pairs on the episodes of both, with
    the intervals of `contrasts.estimate`; holm: p of the sign-flip test, adjusted for all lines."""
    cells = by_cell(study.scores)
    names = [
        (row, cell)
        for cell in study.cells
        for row in study.shown_rows
        if row != study.reference and {row, study.reference} <= set(cells[place(cell)])
    ]
    contrasts: list[Contrast] = [{place(cell): {row: 1.0, study.reference: -1.0}} for row, cell in names]
    if not contrasts:
        return pd.DataFrame(columns=AGAINST)
    p = sign_flip_p(cells, contrasts, study.seed)
    found = estimate(cells, contrasts, study.seed).assign(p=p, holm=holm(p))
    return pd.concat([pd.DataFrame(names, columns=["row", "cell"]), found], axis=1)[AGAINST]
