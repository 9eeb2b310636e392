"""Statistics over episodes: means with intervals, and differences between methods on shared episodes.

Episode accuracies vary far more between episodes than between methods, since some draws of classes
are simply hard. Methods that saw the same episodes share that variation, so the interval of their
per-episode difference is much narrower than their two intervals suggest.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from farfield.errors import InputError

SUMMARY_COLUMNS = ["method", "dataset", "shot", "episodes", "accuracy", "ci95"]
DIFFERENCE_COLUMNS = ["method", "reference", "dataset", "shot", "episodes", "difference", "ci95"]
_KEY = ["method", "dataset", "shot", "episode"]


def mean_interval(accuracies: ArrayLike) -> tuple[float, float]:
    """Mean and half width of its 95 % interval, both in the unit of `accuracies` [episodes].

    The interval is 1.96 * std / sqrt(episodes) with the population's std (ddof=0), as in the released
    code of BSCD-FSL (Guo et al., "A Broader Study of Cross-Domain Few-Shot Learning", ECCV 2020).
    It assumes many episodes: from one episode its width is 0, which says nothing.
    Raises InputError when there is no value, or one that is not finite.
    """
    values = np.asarray(accuracies, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise InputError(
            f"The accuracies of episodes have the shape {values.shape}; one number an episode is "
            f"expected, of at least one episode."
        )
    if not np.isfinite(values).all():
        raise InputError(
            f"{np.count_nonzero(~np.isfinite(values))} of {values.size} accuracies are not finite "
            f"numbers. Run the method that produced them again and look at its loss."
        )
    return float(values.mean()), float(1.96 * values.std() / np.sqrt(values.size))


def summarise(results: pd.DataFrame) -> pd.DataFrame:
    """One row a (method, dataset, shot) with columns SUMMARY_COLUMNS, in order of first appearance.

    `results` has one row an episode: method, dataset, shot, episode, accuracy (percent).
    Raises InputError when an episode occurs twice, which would make the intervals too narrow.
    """
    _require_distinct(results)
    rows = [
        (*cell, len(episodes), *mean_interval(episodes["accuracy"]))
        for cell, episodes in results.groupby(["method", "dataset", "shot"], sort=False)
    ]
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)


def paired_differences(results: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Accuracy of every other method minus that of `reference`, on the episodes both have seen.

    Returns columns DIFFERENCE_COLUMNS, in order of first appearance; `ci95` is the interval of the
    per-episode difference and `episodes` how many are shared. A (dataset, shot) that the reference
    was not run on has no row. Raises InputError when the reference has no results at all, or when it
    and a method have results on the same (dataset, shot) but on disjoint episodes.
    """
    _require_distinct(results)
    is_reference = results["method"] == reference
    if not is_reference.any():
        found = ", ".join(sorted(results["method"].unique())) or "none"
        raise InputError(
            f"The reference method '{reference}' has no results (methods with results: {found}). "
            f"Run it, or name one of these as the reference."
        )
    cells = ["dataset", "shot"]
    baseline = results.loc[is_reference, [*cells, "episode", "accuracy"]]
    baseline_cells = set(baseline[cells].itertuples(index=False, name=None))
    shared = results[~is_reference].merge(
        baseline, on=[*cells, "episode"], suffixes=("", "_reference"), sort=False
    )
    shared_cells = dict(list(shared.groupby(["method", *cells], sort=False)))
    rows = []
    for method, dataset, shot in results.loc[~is_reference, ["method", *cells]].drop_duplicates().to_numpy():
        if (dataset, shot) not in baseline_cells:
            continue
        if (method, dataset, shot) not in shared_cells:
            raise InputError(
                f"'{method}' and '{reference}' share no episode of {dataset} at {shot} shots, so they "
                f"cannot be compared in pairs. Evaluate both on the same list of episodes."
            )
        pairs = shared_cells[method, dataset, shot]
        interval = mean_interval(pairs["accuracy"] - pairs["accuracy_reference"])
        rows.append((method, reference, dataset, shot, len(pairs), *interval))
    return pd.DataFrame(rows, columns=DIFFERENCE_COLUMNS)


def _require_distinct(results: pd.DataFrame) -> None:
    repeated = results[results.duplicated(_KEY)]
    if len(repeated):
        method, dataset, shot, episode = repeated.iloc[0][_KEY]
        raise InputError(
            f"The results of '{method}' on {dataset} hold episode {episode} at {shot} shots more than "
            f"once ({len(repeated)} repeated rows in all); one row an episode is expected. "
            f"Remove the stale results and run the method again."
        )
