"""Results as numbers: in metrics/, which Git tracks, and in the files beside a page."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from farfield.results.claims import Judged
from farfield.results.scores import place

ClaimMetrics = dict[str, dict[str, float | str]]


def rounded(value: float, ci95: float | None = None) -> float:
    """`value` to the digits that its interval supports, at most two; whole without one.

    Another kind of processor rounds differently in its last bits, and a network that is trained there ends a
    little elsewhere: within the interval, as another draw would.
    """
    digits = 0
    if ci95 and math.isfinite(ci95):
        digits = min(max(-math.floor(math.log10(ci95)), 0), 2)
    return round(float(value), digits) + 0.0  # never -0.0


def metrics(summary: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """{row: {dataset: 81.3}}, in percent, with the words of a cell below its dataset where it has more, as
    {"5-shot": 81.3} or {"5-shot": {"balanced": 81.3}}.

    Intervals and counts are no metrics of their own: results and the site have them. summary: of
    `intervals.summarise`.
    """
    result: dict[str, dict[str, Any]] = {}
    for row in summary.to_dict("records"):
        dataset, *further = place(row["cell"])
        own, last = result.setdefault(row["row"], {}), str(dataset)
        for word in further:
            own, last = own.setdefault(last, {}), f"{word}-shot" if isinstance(word, int) else word
        own[last] = rounded(row["mean"], row["ci95"])
    return result


def flat(summary: pd.DataFrame, *further: str) -> pd.DataFrame:
    """Columns method, dataset, shot, episodes, accuracy, ci95, as files have them; further: the name of what
    cells say behind the shot, a column too."""
    words = ["dataset", "shot", *further]
    named = summary.rename(columns={"row": "method", "units": "episodes", "mean": "accuracy"})
    named[words] = [place(cell) for cell in named["cell"]]
    return named[["method", *words, "episodes", "accuracy", "ci95"]]


def claims_metrics(judged: Sequence[Judged]) -> ClaimMetrics:
    """{claim: {"verdict": "supported", "difference": 6.2}}, for claims.json, from the comparison that decides; a
    claim that was not tested has only its verdict."""
    result: ClaimMetrics = {}
    for one in judged:
        entry: dict[str, float | str] = {"verdict": one.verdict}
        if whole := one.first.whole:
            entry["difference"] = rounded(whole.difference, whole.ci95)
        result[one.claim.key] = entry
    return result
