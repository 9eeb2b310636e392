"""Means over episodes, with intervals.

Episode accuracies vary far more between episodes than between methods, since some draws of classes
are simply hard. So these intervals are wide, and two that overlap do not say that two methods are
equal: `contrasts` and `comparisons` subtract on shared episodes first.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from farfield.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

# Of every interval of the house: 95 %, two-sided.
ENDS = (0.025, 0.975)
NORMAL = 1.96  # the upper end of the normal distribution, as published code rounds it
SUMMARY_COLUMNS = ["method", "dataset", "shot", "episodes", "accuracy", "ci95"]
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
    return float(values.mean()), float(NORMAL * values.std() / np.sqrt(values.size))


def summarise(results: "pd.DataFrame") -> "pd.DataFrame":
    """One row a (method, dataset, shot) with columns SUMMARY_COLUMNS, in order of first appearance.

    `results` has one row an episode: method, dataset, shot, episode, accuracy (percent).
    Raises InputError when an episode occurs twice, which would make the intervals too narrow.
    """
    import pandas as pd

    require_distinct(results)
    rows = [
        (*cell, len(episodes), *mean_interval(episodes["accuracy"]))
        for cell, episodes in results.groupby(["method", "dataset", "shot"], sort=False)
    ]
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)


def require_distinct(results: "pd.DataFrame") -> None:
    """Raise InputError when a row (method, dataset, shot, episode) occurs more than once."""
    repeated = results[results.duplicated(_KEY)]
    if len(repeated):
        method, dataset, shot, episode = repeated.iloc[0][_KEY]
        raise InputError(
            f"The results of '{method}' on {dataset} hold episode {episode} at {shot} shots more than "
            f"once ({len(repeated)} repeated rows in all); one row an episode is expected. "
            f"Remove the stale results and run the method again."
        )
