"""Whether the results and policies of a multi-task study fit together; InputError where they do not."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from farfield.errors import InputError
from farfield.results.sharing_headings import METRICS, TASKS, require_known

_SCORE = ["method", "sample", "task", "metric"]
_COLUMNS = [*_SCORE, "training", "value", "selection", "protocol"]


def check_results(study: str, results: pd.DataFrame, methods: Iterable[str], tasks: Sequence[str]) -> None:
    """That `results`, as `SharingStudy` describes them, are complete, and of one protocol."""
    absent = [column for column in _COLUMNS if column not in results]
    if absent:
        raise InputError(
            f"The results of {study} have no column '{absent[0]}'. Expected are: {', '.join(_COLUMNS)}. Train "
            f"and evaluate its rows again."
        )
    _require_described(study, results, set(methods), tasks)
    _require_one_protocol(study, results)
    _require_finite_once(study, results)
    _require_trainings(study, results)
    _require_complete(study, results, tasks)


def check_policy(row: str, shapes: Sequence[tuple[int, ...]], tasks: int) -> None:
    """shapes: of its probabilities, and of what each sample runs."""
    if len(shapes[0]) != 2 or shapes[0][0] != tasks or len(set(shapes)) > 1 or len(shapes) < 2:
        raise InputError(
            f"The policy of '{row}' has probabilities {shapes[0]} and samples {shapes[1:]}; [{tasks} tasks, "
            f"blocks] is expected of all of them, and one sample at least. Search for the policy again."
        )


def _require_described(study: str, results: pd.DataFrame, methods: set[str], tasks: Sequence[str]) -> None:
    require_known(set(results["metric"]))
    for column, names in {"method": methods, "task": set(tasks)}.items():
        unknown = sorted(set(results[column]) - names)
        if unknown:
            raise InputError(
                f"The results of {study} hold the {column} '{unknown[0]}', which is not described. "
                f"Described are: {', '.join(sorted(names))}. Describe it, or remove its results."
            )
    if list(tasks) != [task for task in TASKS if task in tasks]:
        raise InputError(
            f"The tasks of {study} are {', '.join(tasks)}; some of {', '.join(TASKS)} are expected, in this "
            f"order. Reorder or rename them."
        )


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
        method, sample = unnamed.iloc[0][["method", "sample"]]
        raise InputError(
            f"Sample {sample} of '{method}' in {study} does not name its training, but has "
            f"{unnamed.iloc[0]['training']!r}; some text is expected. Evaluate it again."
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
