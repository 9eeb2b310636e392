"""metatest@<key>: the row of a meta-learner, all targets and shots, to results/<key>.parquet.

A shot without a network of its own is answered by that of the nearest shot, by ratio.
"""

import math
import sys

from tqdm import tqdm

from farfield.datasets.packed import load_images
from farfield.local import load_local
from farfield.metalearning.architecture import Architecture
from farfield.metalearning.evaluation import evaluate_meta
from farfield.metalearning.learner import MetaLearner
from farfield.training.checkpoints import load_tensors
from farfield.training.devices import choose_device, deterministic, resident
from stages.frame import paths
from stages.frame.leftovers import ANSWERED_FOLDERS, prune_undeclared
from stages.frame.params import load_params
from stages.frame.results import answered, cells, save_results
from stages.frame.run import run


def main(key: str) -> None:
    params = load_params()
    deterministic()
    device = choose_device(load_local().device)
    spec = params.fewshot.meta[key]
    networks = load_networks(key)
    prune_undeclared(params, *ANSWERED_FOLDERS)
    tables = []
    for dataset, shot, episodes in tqdm(
        [*cells(params, spec.episodes)], desc=spec.title, unit="cell", file=sys.stderr
    ):
        table = evaluate_meta(
            nearest(networks, shot),
            resident(load_images(paths.packed(dataset, params.card(dataset))), device),
            episodes,
            image_size=params.image_size,
            device=device,
        )
        tables.append(answered(key, dataset, shot, table))
    save_results(key, tables)


def load_networks(key: str) -> dict[int, MetaLearner]:
    """The trained networks by their shot."""
    networks = {}
    for path in (paths.FEWSHOT / "meta/models" / key).glob("*-shot.safetensors"):
        weights, architecture = load_tensors(path)
        network = Architecture(**architecture).build()
        network.load_state_dict(weights)
        networks[int(path.name.removesuffix("-shot.safetensors"))] = network
    return networks


def nearest(networks: dict[int, MetaLearner], shot: int) -> MetaLearner:
    return networks[min(networks, key=lambda other: (abs(math.log(other / shot)), other))]


if __name__ == "__main__":
    run(main)
