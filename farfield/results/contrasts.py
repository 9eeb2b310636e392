"""Contrasts: weighted sums of mean accuracies, with intervals and tests over episodes.

Everything that a comparison asks is one: "A minus B in one cell", its mean over cells, "the mean of
these methods minus the mean of those", "the gain from 5 to 50 shots of A minus that of B". A cell is a
dataset at a shot, with episodes of its own; the cells are the strata, and are taken as independent. A
contrast uses, in each cell, the episodes that all of its methods have seen, so that what makes an
episode hard for everyone cancels before anything is averaged.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from farfield.episodes.statistics import ENDS, NORMAL
from farfield.errors import InputError
from farfield.results.scores import place
from farfield.seeds import stream

Cell = tuple[Any, ...]  # the values of the cell's key, such as ("eurosat", 5)
Cells = Mapping[Cell, pd.DataFrame]  # accuracies [episodes, methods] of each cell, NaN where not run
Contrast = Mapping[Cell, Mapping[str, float]]  # in each cell the weights of its methods

RESAMPLES = 2_000  # of the bootstrap: its ends vary by about a twentieth of the interval's half width
FLIPS = 19_999  # of the sign-flip test: p of 1 / 20 000 at the least, so that a thousand can be adjusted
_CHUNK = 2_000  # draws held at once; the numbers drawn do not depend on it


def by_cell(scores: pd.DataFrame) -> dict[Cell, pd.DataFrame]:
    """SCORES as a table [units, rows] a cell, in the order of appearance."""
    return {
        place(str(cell)): own.pivot(index="unit", columns="row", values="value")
        for cell, own in scores.groupby("cell", sort=False)
    }


def halves(cells: Cells) -> dict[Cell, pd.DataFrame]:
    """Each cell (.., 0) and (.., 1): its even and its odd episodes, with the methods that have any."""
    found = {}
    for cell, table in cells.items():
        for half in dict.fromkeys(table.index % 2):
            found[*cell, int(half)] = table[table.index % 2 == half].dropna(axis=1, how="all")
    return found


def estimate(cells: Cells, contrasts: Sequence[Contrast], seed: int) -> pd.DataFrame:
    """Every contrast with two 95 % intervals: columns cells, episodes, difference, ci95, low, high, spread.

    difference -+ ci95 is the published formula, 1.96 standard errors with the population's variance of
    the per-episode contrast, whose squares add over cells. [low, high] is the percentile bootstrap:
    episodes are drawn with replacement within each cell (Efron and Tibshirani, "An Introduction to the
    Bootstrap", 1993, chapters 8 and 13). Draws are made once for each cell and number of episodes and
    serve all contrasts. `episodes` is the smallest number over the cells of a contrast. `spread`: with n
    episodes in each cell the standard error would be spread / sqrt(n); NaN if a cell has one episode.
    Raises InputError when the methods of a contrast share no episode of one of its cells.
    """
    value, variance, together = np.zeros((3, len(contrasts)))
    resampled = np.zeros((len(contrasts), RESAMPLES))
    episodes = np.full(len(contrasts), np.iinfo(np.int64).max)
    for cell, rows, weights, accuracies in _strata(cells, contrasts):
        count = accuracies.shape[1]
        contrast = weights @ accuracies  # [contrasts, episodes]
        value[rows] += contrast.mean(axis=1)
        variance[rows] += contrast.var(axis=1) / count
        together[rows] += contrast.var(axis=1, ddof=1) if count > 1 else np.nan
        # The mean of a resample is linear in how often it holds each episode.
        resampled[rows] += weights @ (accuracies @ resample_counts(seed, cell, count).T / count)
        episodes[rows] = np.minimum(episodes[rows], count)
    low, high = np.quantile(resampled, ENDS, axis=1)
    return pd.DataFrame(
        {
            "cells": [len(contrast) for contrast in contrasts],
            "episodes": episodes,
            "difference": value,
            "ci95": NORMAL * np.sqrt(variance),
            "low": low,
            "high": high,
            "spread": np.sqrt(together),
        }
    )


def sign_flip_p(cells: Cells, contrasts: Sequence[Contrast], seed: int) -> np.ndarray:
    """Two-sided p-values of paired contrasts, whose weights sum to zero in each cell [contrasts].

    If two methods are equally good, the sign of each per-episode difference is as likely one as the
    other. The p-value is the share of random sign patterns whose mean is at least as far from zero,
    the pattern that was observed included (Fisher's randomisation test; Phipson and Smyth,
    "Permutation P-values Should Never Be Zero", 2010). Unlike a t-test it needs no normal
    differences, and it stays valid for a handful of episodes, where a bootstrap is too narrow.
    """
    value, flipped = np.zeros(len(contrasts)), np.zeros((len(contrasts), FLIPS))
    for cell, rows, weights, accuracies in _strata(cells, contrasts):
        value[rows] += weights @ accuracies.mean(axis=1)
        start = 0
        for means in _flipped_means(seed, cell, accuracies.shape[1], accuracies.tobytes()):
            stop = start + means.shape[1]
            flipped[rows, start:stop] += weights @ means
            start = stop
    # Accuracies are multiples of one query, so ties are common; rounding must not break them.
    as_far = np.abs(flipped) >= np.abs(value)[:, None] - 1e-9
    return (1 + as_far.sum(axis=1)) / (1 + FLIPS)


@lru_cache(maxsize=64)  # three megabytes each; pairs, their mean and that of each dataset ask for the same
def _flipped_means(seed: int, cell: Cell, count: int, accuracies: bytes) -> list[np.ndarray]:
    """The means of each method in a cell under all sign patterns, [methods, _CHUNK] and fewer at last.

    accuracies: those of the methods, float64 [methods, count], as bytes.
    """
    values = np.frombuffer(accuracies).reshape(-1, count)
    generator = stream(seed, "sign flips", *map(_word, cell), count)
    found = []
    for start in range(0, FLIPS, _CHUNK):
        drawn = generator.integers(0, 2, (min(_CHUNK, FLIPS - start), count), dtype=np.int8)
        found.append(values @ (2.0 * drawn - 1.0).T / count)
    return found


def resample_counts(seed: int, cell: Cell, episodes: int) -> np.ndarray:
    """How often each bootstrap resample of a cell holds each episode, float [RESAMPLES, episodes]."""
    generator = stream(seed, "bootstrap", *map(_word, cell), episodes)
    drawn = generator.integers(0, episodes, (RESAMPLES, episodes))
    drawn += episodes * np.arange(RESAMPLES)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=RESAMPLES * episodes)
    return counts.reshape(RESAMPLES, episodes).astype(np.float64)


def _strata(
    cells: Cells, contrasts: Sequence[Contrast]
) -> Iterator[tuple[Cell, np.ndarray, np.ndarray, np.ndarray]]:
    """(cell, rows [k], weights [k, methods], accuracies [methods, episodes]) of the contrasts `rows`.

    All of a stratum's contrasts are over the same episodes.
    """
    for cell, table in cells.items():
        values = {method: table[method].to_numpy(dtype=np.float64) for method in table}
        known = {method: np.isfinite(column) for method, column in values.items()}
        alike: dict[bytes, list[int]] = {}
        for row, contrast in enumerate(contrasts):
            if cell in contrast:
                shared = np.logical_and.reduce([known[method] for method in contrast[cell]])
                if not shared.any():
                    named = "' and '".join(contrast[cell])
                    raise InputError(
                        f"'{named}' share no episode of {_named(cell)}, so they cannot be compared in "
                        f"pairs. Evaluate them on the same list of episodes."
                    )
                alike.setdefault(shared.tobytes(), []).append(row)
        for mask, rows in alike.items():
            names = sorted({method for row in rows for method in contrasts[row][cell]})
            weights = np.array([[contrasts[row][cell].get(name, 0.0) for name in names] for row in rows])
            seen = np.frombuffer(mask, dtype=bool)
            yield cell, np.array(rows), weights, np.stack([values[name][seen] for name in names])


def _word(part: Any) -> str | int:
    return part if isinstance(part, str) else int(part)


def _named(cell: Cell) -> str:
    return f"{cell[0]} at {cell[1]} shots" if len(cell) > 1 else str(cell[0])
