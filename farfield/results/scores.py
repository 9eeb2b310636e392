"""The spine: one long table of what was measured, whatever family of methods it is of.

SCORES: study, row (of the tables: a method), cell (what it was measured on: a dataset, a dataset at a number
of shots, or a task), metric, unit (the test case: an episode, an image; of dense tasks the sample of a row),
training (text; what has the same was computed by the same networks), value. Several values of one unit and
training are draws of a sampled policy. Each function here is an adapter from the results of a family, and
refuses what does not fit.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from farfield.episodes.statistics import require_distinct
from farfield.errors import InputError
from farfield.results.headings import METRICS, TASKS, require_known

SCORES = ["study", "row", "cell", "metric", "unit", "training", "value"]
SELECTION = "selection"  # a metric: the score by which one sample of a row is selected; its cell is empty
_ANSWER = ["method", "dataset", "replicate", "row", "draw"]
_SCORE = ["method", "sample", "task", "metric"]
_SAMPLES = [*_SCORE, "training", "value", "selection", "protocol"]


def place(cell: str) -> tuple[str | int, ...]:
    """The words of a cell: ("eurosat", 5) of "eurosat 5-shot", ("eurosat", 5, "dirichlet") of "eurosat 5-shot
    dirichlet", ("cub",) of "cub"."""
    found = re.fullmatch(r"(.+) (\d+)-shot( \w+)?", cell)
    if found is None:
        return (cell,)
    return (found[1], int(found[2]), *(found[3] or "").split())


def of_episodes(study: str, results: pd.DataFrame) -> pd.DataFrame:
    """SCORES of few-shot results: columns method, dataset, shot, episode, accuracy (percent).

    Raises InputError when a method has an episode twice.
    """
    require_distinct(results)
    cell = results["dataset"] + " " + results["shot"].astype(str) + "-shot"
    return _table(
        study, results, cell=cell, metric="accuracy", unit=results["episode"], value=results["accuracy"]
    )


def of_answers(study: str, results: pd.DataFrame) -> pd.DataFrame:
    """SCORES of answers: columns method, dataset, replicate, row, draw, label, prediction; 100 for a right
    one.

    draw is 0 but for rows that sample a policy several times. Raises InputError when an answer occurs twice,
    an image has two labels, or the methods of a dataset were not all asked about the same images.
    """
    repeated = results[results.duplicated(_ANSWER)]
    if len(repeated):
        method, dataset, replicate, row, _ = repeated.iloc[0][_ANSWER]
        raise InputError(
            f"The results of '{method}' on {dataset} hold row {row} of training {replicate} more than once "
            f"({len(repeated)} repeated rows in all); one answer an image and draw is expected. Remove the "
            f"stale results and evaluate again."
        )
    labels = results[["dataset", "row", "label"]].drop_duplicates()
    changed = labels[labels.duplicated(["dataset", "row"])]
    if len(changed):
        dataset, row = changed.iloc[0][["dataset", "row"]]
        raise InputError(
            f"Row {row} of {dataset} has different labels in the results of different methods, so they "
            f"were evaluated on different versions of the dataset. Evaluate them all again."
        )
    images = results.groupby("dataset")["row"].nunique()
    answered = results.groupby(["dataset", "method", "replicate"])["row"].nunique()
    for dataset, count in zip(answered.index.get_level_values(0), answered, strict=True):
        if count != images[dataset]:
            raise InputError(
                f"The methods were not all tested on the same images of {dataset}: trainings have between "
                f"{answered[dataset].min()} and {answered[dataset].max()} answers on {images[dataset]} images. "
                f"Evaluate them all on the same rows."
            )
    value = 100.0 * (results["label"] == results["prediction"])
    training = results["replicate"].astype(str)
    return _table(
        study,
        results,
        cell=results["dataset"],
        metric="accuracy",
        unit=results["row"],
        training=training,
        value=value,
    )


def of_samples(study: str, results: pd.DataFrame, rows: Iterable[str], tasks: Sequence[str]) -> pd.DataFrame:
    """SCORES of dense tasks: columns method, sample, training, task, metric, value, selection, protocol.

    sample: a seed, or a policy sampled from the row's one search and trained with a seed of its own. Samples
    with the same training are copies. selection: score on held-out training data, under the protocol legacy
    on some of the test images; greater is better, NaN where there is nothing to select from. Raises
    InputError when results lack a column, follow different protocols, do not fit `rows` and `tasks`, repeat
    or lack a score, hold one that is not finite, or copies of a training that differ.
    """
    absent = [column for column in _SAMPLES if column not in results]
    if absent:
        raise InputError(
            f"The results of {study} have no column '{absent[0]}'. Expected are: {', '.join(_SAMPLES)}. Train "
            f"and evaluate its rows again."
        )
    require_known(set(results["metric"]))
    require_described(study, "method", results["method"], rows)
    require_described(study, "task", results["task"], tasks)
    if list(tasks) != [task for task in TASKS if task in tasks]:
        raise InputError(
            f"The tasks of {study} are {', '.join(tasks)}; some of {', '.join(TASKS)} are expected, in this "
            f"order. Reorder or rename them."
        )
    _require_one_protocol(study, results)
    _require_finite_once(study, results)
    _require_trainings(study, results)
    _require_complete(study, results, tasks)
    training = results["training"]
    own = _table(
        study, results, results["task"], results["metric"], results["sample"], results["value"], training
    )
    samples = results.drop_duplicates(["method", "sample"])
    chosen = _table(
        study, samples, "", SELECTION, samples["sample"], samples["selection"], samples["training"]
    )
    return pd.concat([own, chosen], ignore_index=True)


def require_described(study: str, column: str, names: Iterable[str], described: Iterable[str]) -> None:
    """Raise InputError for a name that is not described."""
    known = list(described)
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise InputError(
            f"The results of {study} hold the {column} '{unknown[0]}', which is not described. Described are: "
            f"{', '.join(known) or 'none'}. Describe it, or remove its results."
        )


def _table(
    study: str,
    results: pd.DataFrame,
    cell: "pd.Series | str",
    metric: "pd.Series | str",
    unit: pd.Series,
    value: pd.Series,
    training: "pd.Series | str" = "",
) -> pd.DataFrame:
    columns = {"study": study, "row": results["method"], "cell": cell, "metric": metric, "unit": unit}
    return pd.DataFrame(columns | {"training": training, "value": value}).reset_index(drop=True)


def _require_one_protocol(study: str, results: pd.DataFrame) -> None:
    found = results.drop_duplicates("protocol")
    if len(found) > 1:
        one, other = found["method"].iloc[:2]
        first, second = found["protocol"].iloc[:2]
        raise InputError(
            f"The results of {study} follow different protocols: '{one}' {first} and '{other}' {second}. "
            f"Their numbers never stand in one table. Evaluate all rows by the same protocol."
        )


def _require_finite_once(study: str, results: pd.DataFrame) -> None:
    repeated = results[results.duplicated(_SCORE)]
    if len(repeated):
        method, sample, task, metric = repeated.iloc[0][_SCORE]
        raise InputError(
            f"The results of '{method}' in {study} hold {metric} of sample {sample} at {task} more than "
            f"once ({len(repeated)} repeated rows in all). Remove the stale results and evaluate again."
        )
    wrong = results[~np.isfinite(results["value"].to_numpy(float))]
    if len(wrong):
        method, sample, task, metric = wrong.iloc[0][_SCORE]
        raise InputError(
            f"{metric} of '{method}' at {task} in {study}, sample {sample}, is not a finite number. Look "
            f"at its losses and train it again."
        )


def _require_trainings(study: str, results: pd.DataFrame) -> None:
    """Every sample is of one training, and copies of a training score the same."""
    unnamed = results[~results["training"].map(lambda name: isinstance(name, str) and bool(name))]
    if len(unnamed):
        method, sample, training = unnamed.iloc[0][["method", "sample", "training"]]
        raise InputError(
            f"Sample {sample} of '{method}' in {study} does not name its training, but has {training!r}; some "
            f"text is expected. Evaluate it again."
        )
    mixed = results[results.groupby(["method", "sample"])["training"].transform("nunique") > 1]
    if len(mixed):
        method, sample = mixed.iloc[0][["method", "sample"]]
        raise InputError(
            f"Sample {sample} of '{method}' in {study} has scores of several trainings; one is expected. "
            f"Evaluate it again."
        )
    copies = ["method", "training", "task", "metric"]
    unlike = results[results.groupby(copies)["value"].transform("nunique") > 1]
    if len(unlike):
        method, training, task, metric = unlike.iloc[0][copies]
        raise InputError(
            f"Samples of '{method}' in {study} that are copies of the training '{training}' differ in {metric} "
            f"at {task}. Name each training differently, or evaluate again."
        )


def _require_complete(study: str, results: pd.DataFrame, tasks: Sequence[str]) -> None:
    """Every sample of every row has every metric, so that means are over the same things."""
    expected = {(METRICS[name].task, name) for name in results["metric"]}
    expected |= {(task, f"any metric of {task}") for task in set(tasks) - {task for task, _ in expected}}
    for (method, sample), own in results.groupby(["method", "sample"]):
        found = set(zip(own["task"], own["metric"], strict=True))
        if found != expected:
            task, metric = sorted(found ^ expected)[0]
            raise InputError(
                f"The results of '{method}' in {study}, sample {sample}, differ from those of other rows "
                f"at {task}: {metric}. Evaluate every row with the same metrics."
            )
