"""The claims of the talk on few-shot methods, as contrasts: what each says, and which numbers decide it.

Rows are found by their published names, so the same definitions read our results and the published
tables. A contrast is written so that a positive value speaks for its claim.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from farfield.results.claims import Claim
from farfield.results.contrasts import Cell, Cells, Contrast

META = (
    "MatchingNet",
    "MatchingNet+FWT",
    "MAML",
    "ProtoNet",
    "ProtoNet+FWT",
    "RelationNet",
    "RelationNet+FWT",
    "MetaOpt",
)
FINE_TUNING = ("Ft All", "Ft Last-1", "Ft Last-2", "Ft Last-3", "Transductive Ft")
TRANSFER = ("Fixed", *FINE_TUNING)  # not Random, from which nothing is transferred
ENSEMBLES = ("All embeddings", "IMS-f")
ALL_ROWS = (*META, "Random", *TRANSFER, *ENSEMBLES)
LITE0_ROWS = ("lite0", "inductive_lite0")  # of ImageNet's network, by their keys


@dataclass(frozen=True)
class Evidence:
    """A contrast over all cells, and the same in parts.

    The parts are cells (dataset, shot), datasets (dataset,) or steps (dataset, next dataset).
    `halves`: its cells are (dataset, shot, half) rather than (dataset, shot). `picked` are the rows
    that were chosen as the best of several, a choice a half.
    """

    title: str
    whole: Contrast
    parts: Mapping[Cell, Contrast]
    halves: bool = False
    picked: tuple[str, ...] = ()


@dataclass(frozen=True)
class ContrastClaim(Claim):
    """What is computed for it; the first evidence decides: its contrast over all cells, or each of its
    parts. variants: whether other settings of one row say something of it; not where two rows of one training are
    compared, or where a row is one of many in a mean."""

    evidence: Callable[[Cells, Cells, Sequence[str]], list[Evidence]]
    decided_by: Literal["whole", "parts"] = "whole"
    variants: bool = True


def _below_fine_tuning(cells: Cells, halves: Cells, datasets: Sequence[str]) -> list[Evidence]:
    return [
        _best("Ft All − best meta-learner", halves, ("Ft All",), META),
        mean_difference("mean of fine-tuning − mean of meta-learning", cells, FINE_TUNING, META),
    ]


def _above_frozen(cells: Cells, halves: Cells, datasets: Sequence[str]) -> list[Evidence]:
    return [mean_difference("Ft All − Fixed", cells, ("Ft All",), ("Fixed",))]


def _ensembles_best(cells: Cells, halves: Cells, datasets: Sequence[str]) -> list[Evidence]:
    single = tuple(row for row in ALL_ROWS if row not in ENSEMBLES)
    return [
        _best("best ensemble − best single model", halves, ENSEMBLES, single),
        *(_best(f"{row} − best single model", halves, (row,), single) for row in ENSEMBLES),
    ]


def _transductive(cells: Cells, halves: Cells, datasets: Sequence[str]) -> list[Evidence]:
    return [mean_difference("Transductive Ft − Ft All", cells, ("Transductive Ft",), ("Ft All",))]


def _distance(cells: Cells, halves: Cells, datasets: Sequence[str]) -> list[Evidence]:
    trained = _falls("nearer − next farther dataset", cells, datasets, ALL_ROWS)
    beside = _falls("nearer − next farther dataset, Lite0", cells, datasets, LITE0_ROWS)
    return [*trained, *beside] if trained else []


def _falls(title: str, cells: Cells, datasets: Sequence[str], of_rows: Sequence[str]) -> list[Evidence]:
    """Mean accuracy of each dataset minus that of the next, over rows and shots that all of them have."""
    present = [name for name in datasets if any(cell[0] == name for cell in cells)]
    if len(present) < 2:
        return []
    shots = set.intersection(*({shot for name, shot in cells if name == one} for one in present))
    rows = [row for row in of_rows if all(row in cells[one, shot] for one in present for shot in shots)]
    if not shots or not rows:
        return []
    share = 1 / (len(shots) * len(rows))

    def mean(name: str, sign: float) -> Contrast:
        return {(name, shot): dict.fromkeys(rows, sign * share) for shot in sorted(shots)}

    parts = {(near, far): {**mean(near, 1.0), **mean(far, -1.0)} for near, far in pairwise(present)}
    steps = len(parts)
    whole = {**mean(present[0], 1 / steps), **mean(present[-1], -1 / steps)}
    return [Evidence(title, whole, parts)]


def _shots(cells: Cells, halves: Cells, datasets: Sequence[str]) -> list[Evidence]:
    """The gain from the fewest to the most shots of a dataset, of transfer minus that of meta-learning."""
    parts: dict[Cell, Contrast] = {}
    for name in datasets:
        shots = sorted(shot for one, shot in cells if one == name)
        if len(shots) < 2:
            continue
        low, high = (name, shots[0]), (name, shots[-1])
        both = [row for row in cells[low] if row in cells[high]]
        weights = _mean_weights(both, TRANSFER, META)
        if weights:
            parts[name,] = {high: weights, low: {row: -weight for row, weight in weights.items()}}
    return [pooled("gain of transfer − gain of meta-learning", parts)]


def _no_help(cells: Cells, halves: Cells, datasets: Sequence[str]) -> list[Evidence]:
    pairs = [(row, f"{row}+FWT") for row in META if f"{row}+FWT" in META]
    parts: dict[Cell, Contrast] = {}
    for cell, table in cells.items():
        both = [pair for pair in pairs if pair[0] in table and pair[1] in table]
        if both:
            plain = {row: 1 / len(both) for row, _ in both}
            parts[cell] = {cell: plain | {changed: -1 / len(both) for _, changed in both}}
    single = [mean_difference(f"{row} − {changed}", cells, (row,), (changed,)) for row, changed in pairs]
    return [pooled("without − with FWT", parts), *single]


CLAIMS = (
    ContrastClaim(
        "meta_below_finetuning",
        "Meta-learning stays below fine-tuning.",
        "Ft All minus the best meta-learner, and the mean of the fine-tuning rows minus the mean of the "
        "meta-learning rows that were run on a cell.",
        _below_fine_tuning,
    ),
    ContrastClaim(
        "finetuning_above_frozen",
        "Fine-tuning the network beats frozen features.",
        "Ft All minus Fixed.",
        _above_frozen,
    ),
    ContrastClaim(
        "ensembles_best",
        "Ensembles of several source models are best.",
        "The best ensemble minus the best row with a single source model, and each ensemble minus that row.",
        _ensembles_best,
    ),
    ContrastClaim(
        "transductive_above_inductive",
        "Using the statistics of the queries helps.",
        "Transductive Ft minus Ft All, which share their training.",
        _transductive,
        variants=False,
    ),
    ContrastClaim(
        "accuracy_falls_with_distance",
        "Accuracy falls as images leave the natural.",
        "The mean accuracy of one dataset minus that of the next farther one, over the rows and shots that "
        "all of them have. Every step must fall. Over all: the mean of the steps. Besides, the same of the rows "
        "on ImageNet's Lite0.",
        _distance,
        "parts",
        variants=False,
    ),
    ContrastClaim(
        "more_shots_help_transfer_more",
        "Transfer gains more from further shots than meta-learning does.",
        "What a dataset's greatest number of shots adds to its smallest, for the mean of Fixed and the "
        "fine-tuning rows, minus the same for the mean of the meta-learning rows that have both.",
        _shots,
        variants=False,
    ),
    ContrastClaim(
        "fwt_does_not_help",
        "Feature-wise transformation does not help meta-learning across domains.",
        "Each meta-learner without it minus the same with it, pooled and one by one.",
        _no_help,
    ),
)


def pooled(title: str, parts: Mapping[Cell, Contrast]) -> Evidence:
    """The mean of `parts`, which have no cell in common or add up where they have."""
    whole: dict[Cell, dict[str, float]] = {}
    for part in parts.values():
        for cell, weights in part.items():
            target = whole.setdefault(cell, {})
            for row, weight in weights.items():
                target[row] = target.get(row, 0.0) + weight / len(parts)
    return Evidence(title, whole, parts)


def mean_difference(title: str, cells: Cells, better: Sequence[str], worse: Sequence[str]) -> Evidence:
    weights = {cell: _mean_weights(table, better, worse) for cell, table in cells.items()}
    return pooled(title, {cell: {cell: found} for cell, found in weights.items() if found})


def _mean_weights(present: Container, better: Sequence[str], worse: Sequence[str]) -> dict[str, float]:
    """Weights of mean(better) - mean(worse) over the rows present; none if one side has no row."""
    plus = [row for row in better if row in present]
    minus = [row for row in worse if row in present]
    if not plus or not minus:
        return {}
    return dict.fromkeys(plus, 1 / len(plus)) | dict.fromkeys(minus, -1 / len(minus))


def _best(title: str, halves: Cells, better: Sequence[str], worse: Sequence[str]) -> Evidence:
    """Best of `better` minus best of `worse`, each picked on one half of the episodes, judged on the other.

    Picking and judging on the same episodes flatters the pick: the best of many is partly the luckiest.
    Where there is one half only, as in a published table, that cannot be avoided.
    """
    numbers = sorted({half for *_, half in halves})
    picks = {}
    for half in numbers:
        seen = {cell: table for cell, table in halves.items() if len(numbers) == 1 or cell[2] != half}
        picks[half] = (_pick(seen, better), _pick(seen, worse))
    parts: dict[Cell, Contrast] = {}
    for dataset, shot in dict.fromkeys(cell[:2] for cell in halves):
        where = {
            (dataset, shot, half): {picks[half][0]: 1 / len(numbers), picks[half][1]: -1 / len(numbers)}
            for half in numbers
        }
        if all(cell in halves and set(weights) <= set(halves[cell]) for cell, weights in where.items()):
            parts[dataset, shot] = where
    chosen = [
        picks[half][side] for side, rows in ((0, better), (1, worse)) if len(rows) > 1 for half in picks
    ]
    evidence = pooled(title, parts)
    picked = tuple(dict.fromkeys(row for row in chosen if row)) if parts else ()
    return Evidence(title, evidence.whole, parts, halves=True, picked=picked)


def _pick(cells: Cells, rows: Sequence[str]) -> str:
    """The row with the best mean over cells, on episodes that all candidates have; empty if none ran.

    Candidates are the rows that ran on as many cells as any.
    """
    counts = {row: sum(row in table for table in cells.values()) for row in rows}
    candidates = [row for row in rows if counts[row] == max(counts.values()) > 0]
    if len(candidates) < 2:
        return candidates[0] if candidates else ""
    tables = [table[candidates].dropna() for table in cells.values() if set(candidates) <= set(table)]
    means = [table.mean().to_numpy() for table in tables if len(table)]
    if not means:
        return candidates[0]
    return candidates[int(np.argmax(np.mean(means, axis=0)))]
