"""Whether what `farfield evaluate` states of its classifier holds on images that it has not seen.

    python tests/benchmarks/stated_figures.py NAME=FOLDER ... [--splits 100] [--network lite0]

A FOLDER holds one folder a class. The network sees every image once; then, in each of --splits random splits,
a third of each class is held out and everything else is done as `evaluate` does it without mirror images. Of
each set a line: how often the stated 95 % interval held the accuracy on the held-out third, and by how many
points that was above what was stated; the share of its images whose prediction set holds their class, 90 %
stated; the expected calibration error there before and after the temperature; and, with one label in twenty
changed before anything is fitted, the share of changed ones among as many that seem most suspicious, and among
those on the list of labels that seem wrong, as the page says it.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from scipy.special import softmax

from farfield.datasets.cards import Packing
from farfield.networks.cards import network_card
from farfield.own.images import own_images
from farfield.probing.conformal import prediction_sets
from farfield.probing.evaluation import fit_all, joined, of_network, parts_of, recommended, test
from farfield.probing.features import seen_by
from farfield.probing.intervals import scores
from farfield.probing.measures import calibration_error
from farfield.probing.planting import plant, with_changes
from farfield.probing.suspects import NEIGHBOURS, nearest, suspects
from farfield.process import prepare
from farfield.training.devices import deterministic


def held_out(labels: np.ndarray, split: int) -> np.ndarray:
    """bool [n]: a third of each class."""
    draws, asked = np.random.default_rng([split]), np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = draws.permutation(np.flatnonzero(labels == label))
        asked[rows[: round(len(rows) / 3)]] = True
    return asked


def one_split(blocks: dict[str, torch.Tensor], labels: np.ndarray, split: int) -> dict[str, float]:
    asked = held_out(labels, split)
    learned = torch.from_numpy(~asked)
    seen, known = {name: block[learned] for name, block in blocks.items()}, labels[~asked]
    parts = parts_of(known, None, split)
    candidates = [one for one in of_network("network", 1.0) if not one.mirrored]
    chosen = recommended([test(one, seen, known, parts) for one in candidates])
    stated = scores(chosen.logits, known, chosen.measures, split)
    sets = prediction_sets(chosen.logits, known, parts)
    weight, bias = fit_all(chosen.basis, known)
    logits = (joined(blocks, chosen.candidate.blocks)[~learned] @ weight.T + bias).numpy()
    truth = labels[asked]
    likely = softmax(logits / sets.temperature, axis=-1)
    changed, wrong = with_changes(known, np.random.default_rng([split, 1]))
    near, _ = nearest(seen["network.features"].numpy(), NEIGHBOURS)
    again = test(chosen.candidate, seen, changed, parts)
    first = np.argsort(-suspects(again.logits, changed, near).scores, kind="stable")[: len(wrong)]
    listed = plant(chosen.basis, known, parts[:1], near, split)
    accuracy = 100 * float((logits.argmax(1) == truth).mean())
    return {
        "holds": 100.0 * stated.accuracy.holds(accuracy),
        "above_stated": accuracy - stated.accuracy.value,
        "covered": 100 * float((likely >= sets.thresholds)[np.arange(len(truth)), truth].mean()),
        "ece": 100 * calibration_error(logits, truth),
        "ece_calibrated": 100 * calibration_error(logits / stated.temperature, truth),
        "changed_found": 100 * float(np.isin(first, wrong).mean()),
        "list_right": 100 * listed.found / max(listed.listed, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--splits", type=int, default=100)
    parser.add_argument("--network", default="lite0")
    arguments = parser.parse_args()
    prepare()
    deterministic()
    card = network_card(arguments.network)
    for name, _, folder in (given.partition("=") for given in arguments.sets):
        own = own_images(Path(folder), Packing(size=card.image_size), workers=1)
        seen = seen_by(card.load(), own.images, card.image_size, torch.device("cpu"))
        blocks = {f"network.{key}": block for key, block in seen.items()}
        found = [one_split(blocks, own.labels, split) for split in range(arguments.splits)]
        means = {key: round(float(np.mean([one[key] for one in found])), 2) for key in found[0]}
        print({"set": name, "images": len(own.labels), "splits": len(found), **means}, flush=True)


if __name__ == "__main__":
    main()
