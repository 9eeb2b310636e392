"""What is derived from scores: Delta against single-task networks, what beats a constant, the decathlon's
score."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from farfield.episodes.statistics import ENDS
from farfield.results import published
from farfield.results.contrasts import RESAMPLES
from farfield.results.families import SharingStudy
from farfield.results.inputs import is_real
from farfield.results.scores import SCORES, SELECTION
from farfield.results.study import Study
from farfield.seeds import stream
from farfield.sharing.delta import relative_performance
from farfield.sharing.metrics import HIGHER_IS_BETTER
from farfield.tuning.decathlon_score import (
    IMAGENET,
    IMAGENET_ACCURACY,
    PUBLISHED_NAMES,
    REFERENCE_ACCURACY,
    points,
    score,
)

OVERALL = "overall"  # among tasks: the mean over them
DELTA = "delta"
# What the challenge measures by, under the names of the published table.
_OFFICIAL = {PUBLISHED_NAMES[key]: accuracy for key, accuracy in REFERENCE_ACCURACY.items()}


def delta_metrics(study: SharingStudy) -> dict[str, dict[str, float]]:
    """{task: {metric: mean of the reference}} of the metrics that Delta is a mean of; empty if the reference
    did not run. Those that are 0 or less there have no share of which more is better."""
    own = study.scores[study.scores["row"] == study.reference]
    means = own.groupby("metric")["value"].mean()
    return {
        task: {name: float(means[name]) for name in names if means[name] > 0}
        for task, names in (study.metrics.items() if len(own) else ())
    }


def deltas(study: SharingStudy) -> Study:
    """Relative performance in percent of every sample at every task, and `overall`, as a study of its own.

    Delta of a task is the mean over its metrics of how much better they are than those of the reference, in
    percent of these; overall it is the mean over tasks (Sun et al., "AdaShare", NeurIPS 2020). The reference
    is the mean over the samples of this run's own row. Without scores unless that ran, and has a positive
    metric at every task.
    """
    reference = delta_metrics(study)
    lines = []
    chosen = study.scores["metric"] == SELECTION
    if reference and all(reference.values()):
        samples = study.scores[~chosen].groupby(["row", "unit", "training"], sort=False)
        for (row, unit, training), own in samples:
            values = own.set_index(["cell", "metric"])["value"]
            for task, value in _relative(values, reference).items():
                lines.append((study.name, row, task, DELTA, unit, training, value))
    scores = pd.DataFrame(lines, columns=SCORES)
    if lines:
        scores = pd.concat([scores, study.scores[chosen]], ignore_index=True)
    cells = dict.fromkeys((*study.tasks, OVERALL), study.dataset)
    return Study(study.name, scores, study.rows, cells, study.reference, varies=study.varies)


def published_deltas(study: SharingStudy) -> dict[str, dict[str, float]]:
    """{published row: {task: Delta}} of the published table by the same formula, relative to its own
    single-task row. Empty unless the table has every task of the study."""
    theirs, name = study.published, study.rows[study.reference]["published"]
    if set(theirs["task"]) != set(study.tasks) or name not in set(theirs["method"]):
        return {}
    rows = {
        str(method): own.set_index(["task", "metric"])["value"]
        for method, own in theirs.groupby("method", sort=False)
    }
    reference: dict[str, dict[str, float]] = {task: {} for task in study.tasks}
    for row in theirs[theirs["method"] == name].to_dict("records"):
        reference[row["task"]][row["metric"]] = float(row["value"])
    return {method: _relative(own, reference) for method, own in rows.items()}


def _relative(values: pd.Series, reference: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Delta by task and overall of `values`, indexed by task and metric, on the metrics of `reference`."""
    scores = {task: {name: float(values[task, name]) for name in own} for task, own in reference.items()}
    tasks, overall = relative_performance(scores, reference)
    return {**tasks, OVERALL: overall}


def above_constant(study: SharingStudy, summary: pd.DataFrame) -> pd.DataFrame:
    """Columns row, cell, better, metrics: how many of a task's metrics are better on the mean than those of
    the constant predictor, which sees no image. Empty if that did not run. summary: of
    `intervals.summarise`."""
    constant = summary[summary["row"] == study.constant].set_index("metric")["mean"]
    if constant.empty:
        return pd.DataFrame(columns=["row", "cell", "better", "metrics"])
    others = summary[summary["row"] != study.constant]
    signs = others["metric"].map({name: 1 if higher else -1 for name, higher in HIGHER_IS_BETTER.items()})
    better = signs * (others["mean"] - others["metric"].map(constant)) > 0
    counted = others.assign(better=better).groupby(["row", "cell"], sort=False)["better"]
    return counted.agg(better="sum", metrics="size").reset_index()


@dataclass(frozen=True)
class DecathlonScores:
    """Scores over `datasets`.

    reference: the accuracy by dataset that is worth 250 points; `official` if it is the challenge's,
    otherwise that of the study's reference. table: columns row, score, low, high, std of the rows that have
    every dataset, with the 95 % bootstrap interval over test images and the deviation between trainings (NaN
    for a single one). points: by row and dataset. perfect: datasets left out, on which the reference makes no
    error, so that there is nothing to scale by. published: the score of published methods over the sets of
    the same names. imagenet: the points of ImageNet by the published constant, if it alone is missing of the
    challenge's ten.
    """

    datasets: tuple[str, ...]
    reference: Mapping[str, float]
    official: bool
    table: pd.DataFrame
    points: Mapping[str, Mapping[str, float]]
    perfect: tuple[str, ...]
    published: Mapping[str, float]
    imagenet: float | None


def decathlon_scores(study: Study) -> DecathlonScores | None:
    """Scores of one of the `parts` of a study; None if the reference cannot scale any of its datasets."""
    cards = {key: study.datasets[key] for key in study.cells}
    official = all(is_real(card) and card["published"] in _OFFICIAL for card in cards.values())
    scale = {
        key: _OFFICIAL[card["published"]] if official else float(study.units[key][study.reference].mean())
        for key, card in cards.items()
        if official or study.reference in study.units[key]
    }
    perfect = tuple(key for key, accuracy in scale.items() if accuracy == 100)
    scale = {key: accuracy for key, accuracy in scale.items() if accuracy < 100}
    if not scale:
        return None
    rows = [row for row in study.shown_rows if all(row in study.units[key] for key in scale)]
    own = {
        row: {key: points(float(study.units[key][row].mean()), reference) for key, reference in scale.items()}
        for row in rows
    }
    lines = [
        (row, sum(own[row].values()), *_interval(study, row, scale), _deviation(study, row, scale))
        for row in rows
    ]
    table = pd.DataFrame(lines, columns=["row", "score", "low", "high", "std"])
    missing = set(_OFFICIAL) - {cards[key]["published"] for key in scale}
    imagenet = None
    if official and missing == {PUBLISHED_NAMES[IMAGENET]}:
        imagenet = points(IMAGENET_ACCURACY, REFERENCE_ACCURACY[IMAGENET])
    names = [cards[key]["published"] for key in scale]
    theirs = _published(study.published, names)
    return DecathlonScores(tuple(scale), scale, official, table, own, perfect, theirs, imagenet)


def inconsistent_scores() -> dict[str, tuple[float, float]]:
    """{published method: (score as printed, score of its own ten cells)} where the two differ by more than
    the rounding of accuracies to 0.01 and of the score to a whole number can explain."""
    wide = published.table("decathlon").pivot(index="method", columns="dataset", values="accuracy_or_score")
    found = {}
    for method, row in wide.iterrows():
        own, low, high = (score(dict(row + shift), _OFFICIAL) for shift in (0.0, -0.005, 0.005))
        if not low - 0.5 <= row[published.SCORE] <= high + 0.5:
            found[str(method)] = (float(row[published.SCORE]), own)
    return found


def _points(accuracies: np.ndarray, reference: float) -> np.ndarray:
    """Points of accuracies in percent [n]."""
    return np.array([points(float(accuracy), reference) for accuracy in accuracies])


def _interval(study: Study, row: str, scale: Mapping[str, float]) -> tuple[float, float]:
    """Ends of the percentile bootstrap over the test images of each dataset.

    Images that are named correctly equally often are alike, so a resample is a draw of how many it holds of
    each kind, and no list of images.
    """
    total = np.zeros(RESAMPLES)
    for dataset, reference in scale.items():
        hits, counts = np.unique(study.units[dataset][row].to_numpy(), return_counts=True)
        generator = stream(study.seed, "bootstrap of the score", dataset, row)
        drawn = generator.multinomial(counts.sum(), counts / counts.sum(), RESAMPLES)
        total += _points(drawn @ hits / counts.sum(), reference)
    low, high = np.quantile(total, ENDS)
    return float(low), float(high)


def _deviation(study: Study, row: str, scale: Mapping[str, float]) -> float:
    """Standard deviation of the score between the trainings that have every dataset; NaN for a single one."""
    trained = [study.trained[row, cell, "accuracy"].set_index("training")["value"] for cell in scale]
    wide = pd.concat(trained, axis=1, join="inner").to_numpy()
    if len(wide) < 2:
        return float("nan")
    totals = [_points(own, reference) for own, reference in zip(wide.T, scale.values(), strict=True)]
    return float(np.sum(totals, axis=0).std(ddof=1))


def _published(table: pd.DataFrame, names: list[str]) -> dict[str, float]:
    if not set(names) <= set(_OFFICIAL):
        return {}
    wide = table.pivot(index="method", columns="dataset", values="accuracy")[names].dropna()
    reference = {name: _OFFICIAL[name] for name in names}
    return {str(method): float(score(dict(row), reference)) for method, row in wide.iterrows()}
