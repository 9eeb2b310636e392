"""What policies of a multi-task study decided, as small tables: blocks, how tasks agree, the search."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from farfield.report.cells import Cell, Column, Table, number, words
from farfield.results.sharing_headings import TASKS
from farfield.results.sharing_study import PolicyRecord, SharingStudy

SEARCH_COLUMNS = ["method", "alternation", "task", "block", "select", "opened", "temperature"]


def policy_rows(study: SharingStudy) -> list[str]:
    """The rows that have a policy, in the order of methods."""
    return [key for key in study.methods if key in study.policies]


def policy_map(study: SharingStudy) -> pd.DataFrame:
    """Columns method, task, block (from 1), select (percent), run: the share of samples, in percent, whose task
    runs the block."""
    rows = []
    for key in policy_rows(study):
        policy = study.policies[key]
        shares = run_shares(policy)
        for i, task in enumerate(study.tasks):
            for block in range(policy["select"].shape[1]):
                select = 100 * float(policy["select"][i, block])
                rows.append((key, task, block + 1, select, 100 * float(shares[i, block])))
    return pd.DataFrame(rows, columns=["method", "task", "block", "select", "run"])


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
            own = {
                name: step[f"{name}_{task}"] for name in ("loss", "policy_loss") if f"{name}_{task}" in step
            }
            rows += [
                {**shared, "task": task, "block": block, "select": share, **own}
                for block, share in enumerate(select, 1)
            ]
    return pd.DataFrame(rows)


def search_history(study: SharingStudy) -> pd.DataFrame:
    """SEARCH_COLUMNS: the probability of each block over the alternations of each search."""
    frames = [
        study.history[key].assign(method=key)[SEARCH_COLUMNS] for key in study.methods if key in study.history
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=SEARCH_COLUMNS)


def run_shares(policy: PolicyRecord) -> np.ndarray:
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


def policy_table(study: SharingStudy, row: str) -> Table:
    """How many blocks each task skips, on average over samples, and how much it shares."""
    policy = study.policies[row]
    runs = [np.asarray(one, dtype=bool) for one in policy["runs"]]
    blocks = policy["select"].shape[1]
    distinct = len({one.tobytes() for one in runs})
    rows = []
    for i, task in enumerate(study.tasks):
        skipped = [int((~one[i]).sum()) for one in runs]
        # A block counts as shared if another task runs it too.
        shared = [int((one[i] & (one.sum(0) > 1)).sum()) for one in runs]
        spread = f"{min(skipped)}–{max(skipped)}" if min(skipped) < max(skipped) else str(min(skipped))
        rows.append(
            (
                words(TASKS[task]),
                number(float(np.mean(skipped))),
                Cell(spread, value=float(max(skipped))),
                number(float(np.mean(shared))),
                number(100 * float(policy["select"][i].mean())),
            )
        )
    count = f"{len(runs)} samples" if len(runs) > 1 else "one sample"
    return Table(
        caption=f"Blocks of {blocks} that a task skips or shares, over {count}, {distinct} of them different",
        columns=(
            Column("Task"),
            Column("mean", "Skipped blocks"),
            Column("range", "Skipped blocks"),
            Column("Blocks shared with another task"),
            Column("Mean probability to run (%)"),
        ),
        rows=tuple(rows),
        style="wrapped",
    )
