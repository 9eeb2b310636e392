"""The decathlon score of our rows over the sets that are present, and the published ones beside it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from farfield.report.cells import EMPTY, Cell, Column, Table, words
from farfield.results.contrasts import RESAMPLES
from farfield.results.inputs import is_real, labelled
from farfield.results.tuning_statistics import trained_accuracies
from farfield.results.tuning_study import TuningStudy
from farfield.seeds import stream
from farfield.tuning.decathlon_score import (
    IMAGENET,
    IMAGENET_ACCURACY,
    PUBLISHED_NAMES,
    REFERENCE_ACCURACY,
    points,
)

SCORE_COLUMNS = ["method", "score", "low", "high", "std"]
# What the challenge measures by, under the names of the published table.
_OFFICIAL = {PUBLISHED_NAMES[key]: accuracy for key, accuracy in REFERENCE_ACCURACY.items()}


@dataclass(frozen=True)
class Scores:
    """Scores over `datasets`.

    reference: the accuracy by dataset that is worth 250 points; `official` if it is the challenge's,
    otherwise that of the study's reference. table: SCORE_COLUMNS of the methods that have every dataset, with
    the 95 % bootstrap interval over test images and the deviation between trainings (NaN for a single one).
    points: by method and dataset. perfect: datasets left out, on which the reference makes no error, so that
    there is nothing to scale by. published: the score of published methods over the sets of the same names.
    imagenet: the points of ImageNet by the published constant, if it alone is missing of the challenge's ten.
    """

    datasets: tuple[str, ...]
    reference: Mapping[str, float]
    official: bool
    table: pd.DataFrame
    points: Mapping[str, Mapping[str, float]]
    perfect: tuple[str, ...]
    published: Mapping[str, float]
    imagenet: float | None


def scores(study: TuningStudy) -> Scores | None:
    """Scores of one of the `parts` of a study; None if the reference cannot scale any of its datasets."""
    cards = {key: study.datasets[key] for key in study.shown_datasets}
    official = all(is_real(card) and card["published"] in _OFFICIAL for card in cards.values())
    if official:
        scale = {key: _OFFICIAL[card["published"]] for key, card in cards.items()}
    else:
        scale = {
            key: float(study.hits[key][study.reference].mean())
            for key in cards
            if study.reference in study.hits[key]
        }
    perfect = tuple(key for key, accuracy in scale.items() if accuracy == 100)
    scale = {key: accuracy for key, accuracy in scale.items() if accuracy < 100}
    if not scale:
        return None
    methods = [m for m in study.shown_methods if all(m in study.hits[key] for key in scale)]
    own = {
        method: {key: points(_accuracy(study, method, key), reference) for key, reference in scale.items()}
        for method in methods
    }
    rows = [
        (
            method,
            sum(own[method].values()),
            *_interval(study, method, scale),
            _deviation(study, method, scale),
        )
        for method in methods
    ]
    table = pd.DataFrame(rows, columns=SCORE_COLUMNS)
    published = _published(study, list(scale))
    missing = set(_OFFICIAL) - {cards[key]["published"] for key in scale}
    imagenet = None
    if official and missing == {PUBLISHED_NAMES[IMAGENET]}:
        imagenet = points(IMAGENET_ACCURACY, REFERENCE_ACCURACY[IMAGENET])
    return Scores(tuple(scale), scale, official, table, own, perfect, published, imagenet)


def score_table(study: TuningStudy, found: Scores) -> Table:
    """Our scores, published scores in columns of their own, and what each dataset adds to ours."""
    sets = f"{len(found.datasets)} set{'s' if len(found.datasets) > 1 else ''}"
    columns = [Column("Method"), Column(f"over {sets}", "Score, ours")]
    if found.imagenet is not None:
        columns.append(Column(f"with ImageNet at {IMAGENET_ACCURACY:g}\u00a0%", "Score, ours"))
    columns.append(Column("deviation", "Score, ours"))
    theirs = [found.published, study.published_scores] if found.published else [study.published_scores]
    columns += [Column("over these sets", "Score, published")] if found.published else []
    columns.append(Column("over all ten sets", "Score, published"))
    columns += [Column(labelled(study.datasets[key]), "Points, ours") for key in found.datasets]
    best = found.table["score"].max()
    rows = []
    for row in found.table.to_dict("records"):
        method = study.methods[row["method"]]
        interval = f"{row['low']:.0f} to {row['high']:.0f}"
        cells = [
            words(method["title"]),
            Cell(f"{row['score']:.0f}", interval, float(row["score"]), best=row["score"] == best),
        ]
        if found.imagenet is not None:
            cells.append(_score(row["score"] + found.imagenet))
        cells.append(EMPTY if np.isnan(row["std"]) else _score(row["std"]))
        cells += [_published_score(scored.get(method["published"])) for scored in theirs]
        rows.append((*cells, *(_score(found.points[row["method"]][key]) for key in found.datasets)))
    ran = {study.methods[key]["published"] for key in found.table["method"]}
    ours = 2 if found.imagenet is None else 3
    for name in study.published_scores:
        if name not in ran:
            scored_so = [_published_score(scored.get(name)) for scored in theirs]
            rows.append((words(name), *[EMPTY] * ours, *scored_so, *[EMPTY] * len(found.datasets)))
    return Table(
        caption=f"Decathlon score over the {sets} present, at most {1000 * len(found.datasets)}",
        columns=tuple(columns),
        rows=tuple(rows),
        note=_note(study, found),
    )


def _note(study: TuningStudy, found: Scores) -> str:
    reference = study.methods[study.reference]["title"]
    sentences = [
        "A dataset gives 1000 (1 − error / Emax)² points, none beyond Emax.",
        "Emax is that of the challenge."
        if found.official
        else f"Emax is twice the error of our own {reference}, which so has 250 points a dataset: these scores "
        "compare the rows of this run, and are not those of the challenge.",
        "The interval is over test images with Emax held fixed, the deviation between trainings.",
    ]
    if found.perfect:
        names = ", ".join(labelled(study.datasets[key]) for key in found.perfect)
        sentences.append(f"Left out, since {reference} makes no error there: {names}.")
    if found.published and not found.official:
        sentences.append(
            "Published scores over these sets are computed from the published accuracies on the real datasets."
        )
    return " ".join(sentences)


def _accuracy(study: TuningStudy, method: str, dataset: str) -> float:
    return min(float(study.hits[dataset][method].mean()), 100.0)  # rounding may exceed it


def _points(accuracies: np.ndarray, reference: float) -> np.ndarray:
    """Points of accuracies in percent [n]."""
    return np.array([points(min(float(accuracy), 100.0), reference) for accuracy in accuracies])


def _interval(study: TuningStudy, method: str, scale: Mapping[str, float]) -> tuple[float, float]:
    """Ends of the percentile bootstrap over the test images of each dataset.

    Images that are named correctly equally often are alike, so a resample is a draw of how many it holds of
    each kind, and no list of images.
    """
    total = np.zeros(RESAMPLES)
    for dataset, reference in scale.items():
        hits, counts = np.unique(study.hits[dataset][method].to_numpy(), return_counts=True)
        generator = stream(study.seed, "bootstrap of the score", dataset, method)
        drawn = generator.multinomial(counts.sum(), counts / counts.sum(), RESAMPLES)
        total += _points(drawn @ hits / counts.sum(), reference)
    low, high = np.quantile(total, [0.025, 0.975])
    return float(low), float(high)


def _deviation(study: TuningStudy, method: str, scale: Mapping[str, float]) -> float:
    """Standard deviation of the score between the trainings that have every dataset; NaN for a single one."""
    trained = [trained_accuracies(study, method, dataset) for dataset in scale]
    wide = pd.concat(trained, axis=1, join="inner").to_numpy()
    if len(wide) < 2:
        return float("nan")
    totals = [_points(own, reference) for own, reference in zip(wide.T, scale.values(), strict=True)]
    return float(np.sum(totals, axis=0).std(ddof=1))


def _published(study: TuningStudy, datasets: list[str]) -> dict[str, float]:
    names = [study.datasets[key]["published"] for key in datasets]
    if not set(names) <= set(_OFFICIAL):
        return {}
    wide = study.published.pivot(index="method", columns="dataset", values="accuracy")[names].dropna()
    return {
        str(method): float(sum(points(row[name], _OFFICIAL[name]) for name in names))
        for method, row in wide.iterrows()
    }


def _score(value: float) -> Cell:
    return Cell(f"{value:.0f}", value=float(value))


def _published_score(value: float | None) -> Cell:
    return EMPTY if value is None else Cell(f"{value:.0f}", value=float(value), kind="published")
