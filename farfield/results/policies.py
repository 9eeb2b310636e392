"""What policies decided, as small tables: which blocks run tuned or run at all, for whom, and how it came
about."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from farfield.results.families import PolicyRecord, SharingStudy, TaskPolicy, TuningStudy

SEARCH_COLUMNS = ["method", "alternation", "task", "block", "select", "opened", "temperature"]
Pair = tuple[str, str]


def tuned_shares(study: TuningStudy) -> pd.DataFrame:
    """Columns method, dataset, block (from 1), tuned: the share of test images whose block ran tuned, in
    percent (figure 3 of SpotTune)."""

    def shares(record: PolicyRecord) -> dict[str, Any]:
        return {"block": _blocks(record.actions), "tuned": 100 * record.actions.mean(0)}

    return _by_record(study.policies, study, shares, ["block", "tuned"])


def usage(study: TuningStudy) -> pd.DataFrame:
    """Columns method, dataset, tuned_blocks, images: how many test images run so many tuned blocks, from
    none to all (figure 4 of SpotTune)."""

    def counts(record: PolicyRecord) -> dict[str, Any]:
        images = np.bincount(record.actions.sum(1), minlength=record.actions.shape[1] + 1)
        return {"tuned_blocks": np.arange(len(images)), "images": images}

    return _by_record(study.policies, study, counts, ["tuned_blocks", "images"])


def entropy(study: TuningStudy) -> pd.DataFrame:
    """Columns method, dataset, epoch, policy_entropy (bits a decision), the mean over trainings."""

    def means(curve: pd.DataFrame) -> dict[str, Any]:
        return dict(curve.groupby("epoch", as_index=False)["policy_entropy"].mean())

    return _by_record(study.curves, study, means, ["epoch", "policy_entropy"])


def _by_record(
    found: Mapping[Pair, Any], study: TuningStudy, table: Callable[[Any], dict[str, Any]], columns: list[str]
) -> pd.DataFrame:
    frames = [
        pd.DataFrame(table(found[row, dataset])).assign(method=row, dataset=dataset)
        for row, dataset in ordered(study, found)
    ]
    columns = ["method", "dataset", *columns]
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)


def ordered(study: TuningStudy, keys: Mapping[Pair, object]) -> list[Pair]:
    """Those of `keys` (row, dataset) that are described, in the order of both."""
    return [(row, data) for row in study.rows for data in study.datasets if (row, data) in keys]


def routed_rows(study: TuningStudy) -> list[str]:
    """The rows that have records of a policy."""
    return list(dict.fromkeys(row for row, _ in ordered(study, study.policies)))


def of_row(study: TuningStudy, row: str) -> dict[str, PolicyRecord]:
    """The records of a row by dataset."""
    return {d: study.policies[r, d] for r, d in ordered(study, study.policies) if r == row}


def differs(record: PolicyRecord) -> bool:
    """Whether the policy treats images differently."""
    return bool((record.actions != record.actions[:1]).any())


def extremes(record: PolicyRecord, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(places of up to `count` images with the fewest tuned blocks, as many with the most, from the most).

    Of images with equally many, those go first whose policy leans further that way. No image is in both.
    """
    tuned = record.actions.sum(1)
    order = np.lexsort((record.probabilities.astype(np.float64).mean(1), tuned))
    count = min(count, len(order) // 2)
    return order[:count], order[::-1][:count]


def task_shares(study: SharingStudy) -> pd.DataFrame:
    """Columns method, task, block (from 1), select (percent), run: the share of samples, in percent, whose
    task runs the block."""
    columns = ["method", "task", "block", "select", "run"]
    frames = []
    for row in sharing_rows(study):
        policy = study.policies[row]
        runs, blocks = 100 * run_shares(policy), _blocks(policy["select"])
        for i, task in enumerate(study.tasks):
            values = {"block": blocks, "select": 100 * np.asarray(policy["select"][i], float), "run": runs[i]}
            frames.append(pd.DataFrame({"method": row, "task": task, **values}))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def sharing_rows(study: SharingStudy) -> list[str]:
    """The rows that have a policy, in the order of rows."""
    return [key for key in study.rows if key in study.policies]


def history_frame(history: Sequence[Mapping[str, Any]], tasks: Sequence[str]) -> pd.DataFrame:
    """The rows of `farfield.sharing.search.search` as a frame with a row an alternation, task and block.

    Columns alternation, task, block (from 1), select, opened, temperature, and of those that the rows have:
    loss and policy_loss of the task, and sparsity, sharing and logit_gradient of the alternation.
    """
    rows = []
    for step in history:
        shared = {name: step[name] for name in ("alternation", "opened", "temperature")}
        shared |= {name: step[name] for name in ("sparsity", "sharing", "logit_gradient") if name in step}
        for task, select in zip(tasks, step["select"], strict=True):
            names = [name for name in ("loss", "policy_loss") if f"{name}_{task}" in step]
            own = {name: step[f"{name}_{task}"] for name in names}
            rows += [
                {**shared, "task": task, "block": block, "select": share, **own}
                for block, share in enumerate(select, 1)
            ]
    return pd.DataFrame(rows)


def search_history(study: SharingStudy) -> pd.DataFrame:
    """SEARCH_COLUMNS: the probability of each block over the alternations of each search."""
    frames = [
        study.history[row].assign(method=row)[SEARCH_COLUMNS] for row in study.rows if row in study.history
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=SEARCH_COLUMNS)


def run_shares(policy: TaskPolicy) -> np.ndarray:
    """The share of samples that run a block, [tasks, blocks]."""
    return np.mean([np.asarray(one, dtype=float) for one in policy["runs"]], axis=0)


def task_correlation(select: np.ndarray) -> np.ndarray:
    """Cosine of every two tasks' probabilities [tasks, blocks], each centred by its mean over blocks.

    Without centring it is near 1 for any two tasks, since probabilities are positive. NaN for a task whose
    blocks all have one probability, which then says nothing of where it shares.
    """
    centred = np.asarray(select, dtype=float) - np.mean(select, axis=1, keepdims=True, dtype=float)
    norms = np.linalg.norm(centred, axis=1)
    norms[norms < 1e-6] = np.nan  # rounding alone sets them apart
    return np.clip(centred @ centred.T / np.outer(norms, norms), -1, 1)


def _blocks(table: np.ndarray) -> np.ndarray:
    return np.arange(1, table.shape[1] + 1)
