"""What a policy decided, as small tables for plots: how often each block ran tuned, and for which images."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from farfield.report.cells import Cell, Column, Table, number, words
from farfield.results.inputs import labelled
from farfield.results.tuning_study import PolicyRecord, TuningStudy

# A decision this near to a fair coin is called undecided.
_UNDECIDED = 0.1


def policy_map(study: TuningStudy) -> pd.DataFrame:
    """Columns method, dataset, block (from 1), tuned: the share of test images whose block ran tuned, in
    percent (figure 3 of SpotTune)."""
    return _by_record(study, _shares, ["block", "tuned"])


def usage(study: TuningStudy) -> pd.DataFrame:
    """Columns method, dataset, tuned_blocks, images: how many test images run so many tuned blocks, from
    none to all (figure 4 of SpotTune)."""
    return _by_record(study, _usage, ["tuned_blocks", "images"])


def entropy(study: TuningStudy) -> pd.DataFrame:
    """Columns method, dataset, epoch, policy_entropy (bits a decision), the mean over trainings."""
    frames = []
    for method, dataset in _ordered(study, study.curves):
        curve = study.curves[method, dataset].groupby("epoch", as_index=False)["policy_entropy"].mean()
        frames.append(curve.assign(method=method, dataset=dataset))
    columns = ["method", "dataset", "epoch", "policy_entropy"]
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)


def policy_methods(study: TuningStudy) -> list[str]:
    """The methods that have records of a policy."""
    return list(dict.fromkeys(method for method, _ in _ordered(study, study.policies)))


def of_method(study: TuningStudy, method: str) -> dict[str, PolicyRecord]:
    """The records of a method by dataset."""
    return {d: study.policies[m, d] for m, d in _ordered(study, study.policies) if m == method}


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


def policy_table(study: TuningStudy, records: Mapping[str, PolicyRecord]) -> Table:
    """How a method's policy decides on each dataset."""
    rows = []
    for key, record in records.items():
        tuned = record.actions.sum(1)
        near = np.abs(record.probabilities.astype(np.float64) - 0.5) < _UNDECIDED
        distinct = len(np.unique(record.actions, axis=0))
        rows.append(
            (
                words(labelled(study.datasets[key])),
                Cell(str(len(tuned)), value=float(len(tuned))),
                number(float(tuned.mean())),
                Cell(f"{tuned.min()}–{tuned.max()}", value=float(tuned.max() - tuned.min())),
                Cell(str(distinct), value=float(distinct)),
                number(100 * float(near.mean())),
            )
        )
    blocks = max(record.actions.shape[1] for record in records.values())
    return Table(
        caption=f"The policy on test images, over {blocks} blocks",
        columns=(
            Column("Dataset"),
            Column("Images"),
            Column("mean", "Tuned blocks an image"),
            Column("range", "Tuned blocks an image"),
            Column("Different policies"),
            Column("Undecided (%)"),
        ),
        rows=tuple(rows),
        note=f"Undecided: decisions with a probability within {_UNDECIDED} of one half, which would fall the "
        "other way now and then if the policy were sampled.",
    )


def _by_record(
    study: TuningStudy, table: Callable[[PolicyRecord], pd.DataFrame], columns: list[str]
) -> pd.DataFrame:
    frames = [
        table(study.policies[key]).assign(method=key[0], dataset=key[1])
        for key in _ordered(study, study.policies)
    ]
    columns = ["method", "dataset", *columns]
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)


def _shares(record: PolicyRecord) -> pd.DataFrame:
    blocks = np.arange(1, record.actions.shape[1] + 1)
    return pd.DataFrame({"block": blocks, "tuned": 100 * record.actions.mean(0)})


def _usage(record: PolicyRecord) -> pd.DataFrame:
    counts = np.bincount(record.actions.sum(1), minlength=record.actions.shape[1] + 1)
    return pd.DataFrame({"tuned_blocks": np.arange(len(counts)), "images": counts})


def _ordered(study: TuningStudy, keys: Mapping[tuple[str, str], object]) -> list[tuple[str, str]]:
    """Those of `keys` (method, dataset) that are described, in the order of both."""
    return [(method, data) for method in study.methods for data in study.datasets if (method, data) in keys]
