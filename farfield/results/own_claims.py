"""What farfield says of its own rows, as contrasts: that they are above what the talk has on the same features.

Rows beyond the published tables are known by their keys.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from farfield.results.contrast_claims import (
    ENSEMBLES,
    LITE0_ROWS,
    META,
    ContrastClaim,
    Evidence,
    mean_difference,
    pooled,
)
from farfield.results.contrasts import Cell, Cells, Contrast

if TYPE_CHECKING:
    import pandas as pd

INDUCTIVE, ADAPTED = "inductive", "adapted_views"
FIXED_LITE0, LITE0 = LITE0_ROWS
TRANSDUCTIVE = "joint"
OWN = (INDUCTIVE, LITE0, FIXED_LITE0, ADAPTED)
# Of the published tables those that answer each query by itself. MAML's BatchNorm sees all of them.
DECK = (
    *(row for row in META if row != "MAML"),
    *("Random", "Fixed", "Ft All", "Ft Last-1", "Ft Last-2", "Ft Last-3"),
    *("Mean centroid", "Cosine Classifier"),
    *ENSEMBLES,
)


def _above_deck(title: str, own: str) -> Callable[[Cells, Cells, Sequence[str]], list[Evidence]]:
    return lambda cells, halves, datasets: [
        _above_best(f"{title} − best inductive row", halves, own, DECK),
        mean_difference(f"{title} − mean of these", cells, (own,), DECK),
    ]


def _above_best(title: str, halves: Cells, own: str, rivals: Sequence[str]) -> Evidence:
    """`own` minus the best of `rivals` in each cell, picked on one half of its episodes and judged on the other.

    Rivals have answered different numbers of episodes, so the best is the one with the least that `own` is above
    it on the episodes of both.
    """
    parts: dict[Cell, Contrast] = {}
    picked: dict[str, None] = {}
    for dataset, shot in dict.fromkeys(cell[:2] for cell in halves):
        own_halves = {half: halves[dataset, shot, half] for half in (0, 1) if (dataset, shot, half) in halves}
        best = {half: _hardest(table, own, rivals) for half, table in own_halves.items()}
        if len(best) == 2 and all(row in own_halves[1 - half] for half, row in best.items()):
            parts[dataset, shot] = {
                (dataset, shot, half): {own: 0.5, best[1 - half]: -0.5} for half in own_halves
            }
            picked |= dict.fromkeys(best.values())
    return Evidence(title, pooled(title, parts).whole, parts, halves=True, picked=tuple(picked))


def _hardest(table: "pd.DataFrame", own: str, rivals: Sequence[str]) -> str:
    """Of the rivals that ran the one that `own` is above by the least; empty if none did."""
    if own not in table:
        return ""
    apart = table[[row for row in rivals if row in table]].rsub(table[own], axis=0).mean().dropna()
    return str(apart.idxmin()) if len(apart) else ""


def _not_below(cells: Cells, halves: Cells, datasets: Sequence[str]) -> list[Evidence]:
    parts: dict[Cell, Contrast] = {
        cell[:2]: {cell: {TRANSDUCTIVE: 1.0, INDUCTIVE: -1.0}}
        for cell, table in cells.items()
        if cell[2] == "dirichlet" and {TRANSDUCTIVE, INDUCTIVE} <= set(table)
    }
    return [pooled("farfield (transductive) − farfield (inductive), Dirichlet queries", parts)]


OWN_CLAIMS = (
    ContrastClaim(
        "inductive_above_deck",
        "farfield (inductive) is above every inductive row of the talk.",
        "farfield (inductive) minus the best row of the published tables that answers each query by itself, "
        "picked in each cell; and minus the mean of these rows. Each cell must agree.",
        _above_deck("farfield (inductive)", INDUCTIVE),
        "parts",
    ),
    ContrastClaim(
        "adapted_above_deck",
        "farfield (adapted), with views, is above the best inductive row of the talk, over all cells.",
        "farfield (adapted), views, minus the best of the same rows, picked in each cell; and minus their "
        "mean.",
        _above_deck("farfield (adapted), views", ADAPTED),
    ),
    ContrastClaim(
        "lite0_above_deck",
        "farfield (inductive) on ImageNet's Lite0 is above every inductive row of the talk.",
        "farfield (inductive) on the features of EfficientNet-Lite0, which stays as it is, minus the best of the "
        "same rows, none of which has ImageNet's network; and minus their mean. Each cell must agree.",
        _above_deck("farfield (inductive), Lite0", LITE0),
        "parts",
    ),
    ContrastClaim(
        "inductive_above_fixed_on_lite0",
        "On ImageNet's Lite0, farfield (inductive) is above the talk's row on frozen features.",
        "farfield (inductive) minus Fixed, both on the features of EfficientNet-Lite0. Each cell must agree.",
        lambda cells, halves, datasets: [
            mean_difference("farfield (inductive), Lite0 − Fixed, Lite0", cells, (LITE0,), (FIXED_LITE0,))
        ],
        "parts",
    ),
)

# Of rows that see all queries of an episode at once.
JOINT = (
    ContrastClaim(
        "transductive_not_below_inductive",
        "Where classes are not equally frequent, farfield (transductive) is not below farfield (inductive).",
        "farfield (transductive) minus farfield (inductive) on queries with Dirichlet shares. Supported: the "
        "interval ends less than one point below zero, or above it. Contradicted: it lies below zero.",
        _not_below,
        margin=1.0,
    ),
)
