"""The worst episodes of few-shot rows, with the images that were shown."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from farfield.datasets.channels import load_channels, pictures
from farfield.datasets.packed import load_images, load_manifest
from farfield.episodes.sampling import load_episodes
from farfield.report.row_pages import WorstEpisode
from farfield.report.worst_episodes import worst_episode
from farfield.results.inputs import Dataset
from farfield.results.study import Row
from stages.frame import paths
from stages.frame.params import Params

COLUMNS = ["method", "dataset", "shot", "episode", "accuracy", "predictions"]


def worst_episodes(
    params: Params, rows: Mapping[str, Row], datasets: Mapping[str, Dataset]
) -> dict[str, list[WorstEpisode]]:
    """By row and dataset, at the dataset's fewest shots; of transductive rows on balanced queries."""
    fewshot = params.fewshot
    found: dict[str, list[WorstEpisode]] = {}
    answers = _answers(params)
    for name, target in fewshot.targets.items():
        folder = paths.PACKED_TARGETS / name
        images, kept = load_images(folder), load_channels(folder)
        manifest = load_manifest(folder).drop_duplicates("label").set_index("label")
        classes = [str(manifest["class_name"].get(i, "")) for i in range(int(manifest.index.max()) + 1)]
        shot = min(target.shots)
        episodes = load_episodes(paths.episodes(name))[shot]

        def shown(chosen: np.ndarray, images: np.ndarray = images, kept: object = kept) -> np.ndarray:
            return pictures(np.stack([images[row] for row in chosen]), kept)  # type: ignore[arg-type]

        here = (answers["dataset"] == name) & (answers["shot"] == shot)
        own = answers[here & answers["method"].isin(rows)]  # not variants, which stand in no table
        for key, results in own.groupby("method", sort=False):
            row = str(key)
            worst = worst_episode(
                row, rows[row]["title"], results, episodes, name, datasets[name], classes, shown
            )
            found.setdefault(row, []).append(worst)
    return found


def _answers(params: Params) -> pd.DataFrame:
    fewshot = params.fewshot
    fewest = [
        ("dataset", "in", [*fewshot.targets]),
        ("shot", "in", [min(t.shots) for t in fewshot.targets.values()]),
    ]
    folder = paths.FEWSHOT / "results"
    tables = [
        pd.read_parquet(folder / f"{key}.parquet", columns=COLUMNS, filters=fewest) for key in fewshot.units
    ]
    folder = paths.FEWSHOT / "transductive/results"
    balanced = [*fewest, ("queries", "==", "balanced")]
    for key in fewshot.transductive:
        tables.append(pd.read_parquet(folder / f"{key}.parquet", columns=COLUMNS, filters=balanced))
    return pd.concat(tables, ignore_index=True)
