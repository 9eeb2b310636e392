"""episodes@<dataset>: draw its few-shot episodes, to data/episodes/<dataset>.npz."""

import sys
from functools import partial

import numpy as np
import pandas as pd

from farfield.datasets.packed import load_manifest
from farfield.episodes.sampling import eligible_classes, sample_episodes, sample_split_episodes, save_episodes
from farfield.errors import InputError
from stages import paths
from stages.params import load_params
from stages.run import run


def main(dataset: str) -> None:
    params = load_params()
    fewshot, card = params.fewshot, params.card(dataset)
    manifest = load_manifest(paths.packed(dataset, card))
    labels = manifest["label"].to_numpy()
    names = manifest.drop_duplicates("label").set_index("label")["class_name"]
    lists = {}
    target = fewshot.targets[dataset]
    pools = [
        part(manifest["split"], split, f"fewshot.targets.{dataset}.{key}", dataset)
        for key, split in (("support_split", target.support_split), ("query_split", target.query_split))
        if split is not None
    ]
    draw = partial(sample_split_episodes, labels, *pools) if pools else partial(sample_episodes, labels)
    for shot in target.shots:
        if not pools:
            tell_small(dataset, names, labels, shot, fewshot.query)
        lists[shot] = draw(
            way=fewshot.way,
            shot=shot,
            query=fewshot.query,
            episodes=fewshot.episodes,
            seed=params.seeds.episodes,
            name=dataset,
            class_names=names.to_dict(),
        )
    save_episodes(paths.episodes(dataset), lists)


def part(splits: pd.Series, split: str, key: str, dataset: str) -> np.ndarray:
    """bool [n], the images of a split. InputError if there are none."""
    if split not in set(splits):
        raise InputError(f"{key} is {split!r}, but {dataset} has the splits {', '.join(sorted(set(splits)))}")
    return (splits == split).to_numpy()


def tell_small(dataset: str, names: pd.Series, labels: np.ndarray, shot: int, query: int) -> None:
    _, small = eligible_classes(labels, shot + query)
    for label, count in small.items():
        print(
            f"{dataset}: class {names[label]} has {count} images and sits out the {shot}-shot episodes, "
            f"which need {shot + query}",
            file=sys.stderr,
        )


if __name__ == "__main__":
    run(main)
