"""Which of several methods to take: the cheapest of those that are as good as the best, as far as known."""

from collections.abc import Mapping, Sequence

import pandas as pd

from farfield.episodes.contrasts import Contrast, by_cell, estimate, sign_flip_p

SIGNIFICANT = 0.05
NEAR = 2.0  # percentage points
SAME_COST = 1.5  # times
RANKING_COLUMNS = ["method", "difference", "low", "high", "p", "tied"]


def rank(results: pd.DataFrame, methods: Sequence[str], seed: int) -> pd.DataFrame:
    """RANKING_COLUMNS of `methods` on one cell, the best first.

    results: columns method, dataset, shot, episode, accuracy. Methods may have answered different
    numbers of episodes, whose plain means cannot be compared: the anchor, the best of those with the
    most episodes, is compared with each of them on the episodes that both have, and the best is the one
    with the largest difference to it. `difference` is a method minus the best on their shared episodes,
    [low, high] its 95 % interval by bootstrap and `p` that of the sign-flip test, which unlike the
    interval holds for a handful of episodes. A method is `tied` with the best if the interval includes
    zero or p is at least SIGNIFICANT, and the difference is within NEAR: after a few episodes nearly
    everything includes zero.
    """
    cells = by_cell(results[results["method"].isin(set(methods))])
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
