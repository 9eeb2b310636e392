"""Every method against every other, in pairs on the episodes that both have seen.

With many pairs some differ by chance alone, so p-values are adjusted by Holm's method ("A Simple
Sequentially Rejective Multiple Test Procedure", 1979), which bounds the chance of even one false mark
within a family of comparisons. The families are stated where they are formed: all pairs within one
cell, all pairs over all cells, or all comparisons with one reference.

Episodes are drawn from finite sets of images, so images come again in other episodes. Intervals and
tests speak of new episodes from the same images, not of new images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from farfield.errors import InputError
from farfield.results.contrasts import Cells, Contrast, by_cell, estimate, sign_flip_p

_ESTIMATED = ["episodes", "difference", "ci95", "low", "high", "p", "holm"]
PAIR_COLUMNS = ["method", "other", "dataset", "shot", *_ESTIMATED]
POOLED_COLUMNS = ["method", "other", "cells", *_ESTIMATED]
SIGNIFICANT = 0.05
NEAR = 2.0  # percentage points
SAME_COST = 1.5  # times
RANKING_COLUMNS = ["method", "difference", "low", "high", "p", "tied"]
DIFFERENCE_COLUMNS = ["method", "reference", "dataset", "shot", *_ESTIMATED]


@dataclass(frozen=True)
class Comparisons:
    """Differences of `method` minus `other` in percentage points.

    pairs: PAIR_COLUMNS, a row for two methods and a cell that both were run on; `holm` is over all
    pairs of the cell. overall: POOLED_COLUMNS, the mean over the cells that both were run on; `holm`
    is over all its rows.
    """

    pairs: pd.DataFrame
    overall: pd.DataFrame


def compare(cells: Cells, methods: Sequence[str], seed: int) -> Comparisons:
    """All pairs of `methods`, the earlier minus the later; see `contrasts` for intervals and tests.

    cells: of `by_cell`. Raises InputError when two methods were run on a cell but share none of its episodes.
    """
    pairs = []
    for (dataset, shot), table in cells.items():
        present = [method for method in methods if method in table]
        named = list(combinations(present, 2))
        contrasts: list[Contrast] = [{(dataset, shot): {a: 1.0, b: -1.0}} for a, b in named]
        rows = _tested({(dataset, shot): table}, contrasts, seed)
        names = pd.DataFrame(named, columns=["method", "other"])
        pairs.append(pd.concat([names, rows], axis=1).assign(dataset=dataset, shot=shot))
    frame = pd.concat(pairs, ignore_index=True) if pairs else pd.DataFrame(columns=PAIR_COLUMNS)
    return Comparisons(frame[PAIR_COLUMNS], pooled(cells, methods, seed))


def pooled(cells: Cells, methods: Sequence[str], seed: int) -> pd.DataFrame:
    """POOLED_COLUMNS: differences of all pairs of `methods`, averaged over the cells that both have."""
    shared = {
        (a, b): [cell for cell, table in cells.items() if a in table and b in table]
        for a, b in combinations(methods, 2)
    }
    named = [pair for pair, where in shared.items() if where]
    contrasts = [
        {cell: {a: 1 / len(shared[a, b]), b: -1 / len(shared[a, b])} for cell in shared[a, b]}
        for a, b in named
    ]
    names = pd.DataFrame(named, columns=["method", "other"])
    return pd.concat([names, _tested(cells, contrasts, seed)], axis=1)[POOLED_COLUMNS]


def against(pairs: pd.DataFrame, reference: str) -> pd.DataFrame:
    """DIFFERENCE_COLUMNS: every other method minus `reference`, from the `pairs` of `Comparisons`.

    `holm` is over all the rows: every method in every cell that it shares with the reference.
    Raises InputError when the reference has no results.
    """
    present = set(pairs["method"]) | set(pairs["other"])
    if present and reference not in present:
        raise InputError(
            f"The reference method '{reference}' has no results (methods with results: "
            f"{', '.join(sorted(present))}). Run it, or name one of these as the reference."
        )
    later = pairs[pairs["other"] == reference]
    earlier = pairs[pairs["method"] == reference].rename(columns={"method": "other", "other": "method"})
    earlier = earlier.assign(difference=-earlier["difference"], low=-earlier["high"], high=-earlier["low"])
    rows = pd.concat([later, earlier]).sort_index().rename(columns={"other": "reference"})
    return rows.assign(holm=holm(rows["p"]))[DIFFERENCE_COLUMNS].reset_index(drop=True)


def rank(scores: pd.DataFrame, methods: Sequence[str], seed: int) -> pd.DataFrame:
    """RANKING_COLUMNS of `methods` on one cell, the best first.

    scores: SCORES of the cell. Methods may have answered different
    numbers of episodes, whose plain means cannot be compared: the anchor, the best of those with the
    most episodes, is compared with each of them on the episodes that both have, and the best is the one
    with the largest difference to it. `difference` is a method minus the best on their shared episodes,
    [low, high] its 95 % interval by bootstrap and `p` that of the sign-flip test, which unlike the
    interval holds for a handful of episodes. A method is `tied` with the best if the interval includes
    zero or p is at least SIGNIFICANT, and the difference is within NEAR: after a few episodes nearly
    everything includes zero.
    """
    cells = by_cell(scores)
    [cell] = cells
    table = cells[cell]
    full = [method for method in methods if table[method].count() == table.count().max()]
    anchor = table[full].mean().idxmax()
    best = max(methods, key=lambda method: (table[method] - table[anchor]).mean())
    first = {"method": best, "difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0, "tied": True}
    ranking = pd.DataFrame([first])[RANKING_COLUMNS]
    others = [method for method in methods if method != best]
    if others:
        contrasts: list[Contrast] = [{cell: {method: 1.0, best: -1.0}} for method in others]
        rows = estimate(cells, contrasts, seed).assign(method=others, p=sign_flip_p(cells, contrasts, seed))
        unresolved = ((rows["low"] <= 0) & (rows["high"] >= 0)) | (rows["p"] >= SIGNIFICANT)
        rows = rows.assign(tied=unresolved & (rows["difference"] >= -NEAR))[RANKING_COLUMNS]
        rows = rows.sort_values("difference", ascending=False, kind="stable")
        ranking = pd.concat([ranking, rows], ignore_index=True)
    return ranking


def recommend(ranking: pd.DataFrame, seconds: Mapping[str, float]) -> str:
    """The cheapest method, in `seconds` an episode, of those that are tied with the best.

    Of those within SAME_COST of the cheapest, the best: clocks are not exact.
    """
    tied = list(ranking[ranking["tied"]]["method"])
    least = min(seconds[method] for method in tied)
    return next(method for method in tied if seconds[method] <= SAME_COST * least)


def holm(p: ArrayLike) -> np.ndarray:
    """Holm's adjusted p-values [n]: those below alpha may be rejected together at level alpha."""
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    adjusted = np.empty_like(values)
    steps = values[order] * np.arange(values.size, 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def _tested(cells: Cells, contrasts: Sequence[Contrast], seed: int) -> pd.DataFrame:
    p = sign_flip_p(cells, contrasts, seed)
    return estimate(cells, contrasts, seed).assign(p=p, holm=holm(p))
