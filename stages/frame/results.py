"""How the stages that answer episodes go through them, and what they leave behind.

results/<unit>.parquet has one row an episode: method, dataset, shot, episode, accuracy in percent,
predicted ways. A unit may answer for several methods.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from farfield.episodes.sampling import Episodes, load_episodes
from farfield.files import atomic_file
from stages.frame import paths
from stages.frame.params import Params

if TYPE_CHECKING:
    import pandas as pd


def cells(params: Params, budget: int) -> Iterator[tuple[str, int, Episodes]]:
    """(dataset, shot, episodes) of every target and shot, the first `budget` episodes (0: all)."""
    for name, target in params.fewshot.targets.items():
        lists = load_episodes(paths.episodes(name))
        for shot in target.shots:
            yield name, shot, lists[shot].first(budget) if budget else lists[shot]


def answered(method: str, dataset: str, shot: int, scores: "pd.DataFrame") -> "pd.DataFrame":
    """The scores of one cell, as rows of a results file."""
    import pandas as pd

    return pd.concat(
        [
            pd.DataFrame({"method": method, "dataset": dataset, "shot": np.int32(shot)}, index=scores.index),
            scores,
        ],
        axis=1,
    )


def save_results(unit: str, tables: "list[pd.DataFrame]") -> None:
    import pandas as pd

    results = pd.concat(tables, ignore_index=True)
    # Rows of a method stand together, whatever the order in which cells were answered.
    order = results["method"].map({name: i for i, name in enumerate(results["method"].unique())})
    results = results.iloc[np.argsort(order, kind="stable")]
    with atomic_file(paths.FEWSHOT / "results" / f"{unit}.parquet") as partial:
        results.to_parquet(partial, index=False)
