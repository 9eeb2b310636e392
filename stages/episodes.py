"""episodes@<dataset>: draw its few-shot episodes, to data/episodes/<dataset>.npz."""

import sys

from farfield.datasets.packed import load_manifest
from farfield.episodes.sampling import eligible_classes, sample_episodes, save_episodes
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
    for shot in fewshot.targets[dataset].shots:
        _, small = eligible_classes(labels, shot + fewshot.query)
        for label, count in small.items():
            print(
                f"{dataset}: class {names[label]} has {count} images and sits out the {shot}-shot episodes, "
                f"which need {shot + fewshot.query}",
                file=sys.stderr,
            )
        lists[shot] = sample_episodes(
            labels,
            way=fewshot.way,
            shot=shot,
            query=fewshot.query,
            episodes=fewshot.episodes,
            seed=params.seeds.episodes,
            name=dataset,
            class_names=names.to_dict(),
        )
    save_episodes(paths.episodes(dataset), lists)


if __name__ == "__main__":
    run(main)
