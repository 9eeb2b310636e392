"""episodes@<dataset>: draw its few-shot episodes, to data/episodes/<dataset>.npz."""

import sys
from typing import TYPE_CHECKING

import numpy as np

from farfield.datasets.packed import in_splits, load_manifest
from farfield.episodes.sampling import eligible_classes, sample_episodes, save_episodes
from stages.frame import paths
from stages.frame.params import load_params
from stages.frame.run import run

if TYPE_CHECKING:
    import pandas as pd


def main(dataset: str) -> None:
    params = load_params()
    fewshot, card = params.fewshot, params.card(dataset)
    manifest = load_manifest(paths.packed(dataset, card))
    labels = manifest["label"].to_numpy()
    names = manifest.drop_duplicates("label").set_index("label")["class_name"]
    lists = {}
    target = fewshot.targets[dataset]
    parts = None
    if target.support_split and target.query_split:
        key = f"fewshot.targets.{dataset}"
        parts = (
            in_splits(manifest, [target.support_split], f"{key}.support_split", dataset),
            in_splits(manifest, [target.query_split], f"{key}.query_split", dataset),
        )
    for shot in target.shots:
        if parts is None:
            tell_small(dataset, names, labels, shot, fewshot.query)
        lists[shot] = sample_episodes(
            labels,
            way=fewshot.way,
            shot=shot,
            query=fewshot.query,
            episodes=fewshot.episodes,
            seed=params.seeds.episodes,
            name=dataset,
            class_names=dict(zip(names.index, names, strict=True)),
            parts=parts,
        )
    save_episodes(paths.episodes(dataset), lists)


def tell_small(dataset: str, names: "pd.Series", labels: np.ndarray, shot: int, query: int) -> None:
    _, small = eligible_classes(labels, shot + query)
    for label, count in small.items():
        print(
            f"{dataset}: class {names[label]} has {count} images and sits out the {shot}-shot episodes, "
            f"which need {shot + query}",
            file=sys.stderr,
        )


if __name__ == "__main__":
    run(main)
