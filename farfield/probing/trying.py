"""Candidates from cheap to dear within a limit of time, and why one is recommended.

Costs are seconds of the processor that this process used, so another program that runs beside it does not decide.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from farfield.probing.evaluation import NEAR, Candidate, Tested, test
from farfield.probing.measures import difference


@dataclass(frozen=True)
class Skipped:
    """A candidate that was not tried, and why, as half a sentence."""

    candidate: Candidate
    why: str


def try_candidates(
    candidates: Sequence[Candidate],
    blocks_of: Callable[[Candidate], Mapping[str, Tensor]],
    labels: np.ndarray,
    parts: np.ndarray,
    limit: float = float("inf"),
    units: np.ndarray | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[list[Tested], list[Skipped]]:
    """Test candidates in the order of their cost until `limit` seconds of `clock` are over.

    blocks_of: computes or finds the blocks of a candidate, whose `cost` for all images is taken for the time it
    will need at the most. The cheapest is always tried. One that would not end in time is skipped, and so is a
    dearer one that even without a single error could not be told from the best so far.
    """
    begin = clock()
    tested: list[Tested] = []
    skipped: list[Skipped] = []
    for candidate in sorted(candidates, key=lambda one: one.cost):
        left, needed = limit - (clock() - begin), candidate.cost * len(labels)
        best = max(tested, key=lambda one: one.measures.accuracy, default=None)
        dearer = any(candidate.cost > one.candidate.cost for one in tested)
        if best is not None and dearer and not could_win(best, units):
            why = f"{best.candidate.title} has {best.measures.accuracy:.1f} %, and no more could be told from it"
            skipped.append(Skipped(candidate, why))
        elif tested and needed > left:
            why = f"it takes about {needed:.2g} s, and {max(left, 0):.2g} of {limit:g} s are left"
            skipped.append(Skipped(candidate, why))
        else:
            tested.append(test(candidate, blocks_of(candidate), labels, parts))
    return tested, skipped


def could_win(best: Tested, units: np.ndarray | None = None) -> bool:
    """Whether a dearer candidate without an error would be recommended in its place."""
    gap, half = difference(np.ones_like(best.right), best.right, units)
    return gap > min(half, NEAR)


def reason(tested: Sequence[Tested], chosen: Tested, units: np.ndarray | None = None) -> str:
    """Why it is recommended, in a sentence."""
    best = max(tested, key=lambda one: one.measures.accuracy)
    title = chosen.candidate.title
    cheaper = [one for one in tested if one.candidate.cost < chosen.candidate.cost]
    if best is not chosen:
        gap, half = difference(best.right, chosen.right, units)
        return (
            f"{title} is among the cheapest of those that these images do not tell from the most accurate, "
            f"{best.candidate.title} ({gap:.1f} ± {half:.1f} points more for "
            f"{best.candidate.cost / chosen.candidate.cost:.2g} times the time)."
        )
    if not cheaper:
        return f"{title} is the most accurate, and none is cheaper."
    nearest = max(cheaper, key=lambda one: one.measures.accuracy)
    gap, half = difference(chosen.right, nearest.right, units)
    return (
        f"{title} is the most accurate, by {gap:.1f} ± {half:.1f} points over the best of the cheaper ones, "
        f"{nearest.candidate.title}."
    )
