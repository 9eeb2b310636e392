"""Classes of images by a classifier that `farfield evaluate` wrote."""

import csv
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from farfield.datasets.decoders import UnreadableImageError, decode, holds_image
from farfield.datasets.visible import visible_paths
from farfield.deployment.classifier import Description, load_classifier
from farfield.errors import InputError
from farfield.local import Local
from farfield.training.devices import choose_device, deterministic
from farfield.training.images import evaluation_view

BATCH = 64  # images decoded and classified at once


def predict(classifier: Path, places: Sequence[Path], local: Local) -> bool:
    """Print CSV: path, class, probability. Files that cannot be read are named on standard error; whether there
    was none."""
    deterministic(threads=0)
    device = choose_device(local.device)
    network, description = load_classifier(classifier)
    network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["path", "class", "probability"])
    complete = True
    files = iter(images_of(places))
    with ThreadPoolExecutor(local.workers) as pool:
        while batch := list(islice(files, BATCH)):
            decoded = list(pool.map(lambda path: pixels(path, description), batch))
            readable = [
                (path, image) for path, image in zip(batch, decoded, strict=True) if image is not None
            ]
            complete &= len(readable) == len(batch)
            if not readable:
                continue
            images = torch.from_numpy(np.stack([image for _, image in readable])).to(device)
            with torch.inference_mode():
                logits = network(evaluation_view(images, description.image_size))
            probability, index = logits.softmax(-1).max(-1)
            for (path, _), p, i in zip(readable, probability.tolist(), index.tolist(), strict=True):
                table.writerow([path, description.class_names[i], f"{p:.4f}"])
    return complete


def images_of(places: Sequence[Path]) -> Iterator[Path]:
    """The files among `places`, and those below its folders that are images by their name."""
    for place in places:
        if not place.exists():
            raise InputError(f"{place} does not exist; give images, or folders that hold images.")
        if place.is_dir():
            yield from (path for path in visible_paths(place) if holds_image(path))
        else:
            yield place


def pixels(path: Path, description: Description) -> np.ndarray | None:
    """The packed image, as training saw it; none, and a line on standard error, if it cannot be read."""
    try:
        return decode(path.read_bytes(), description.packing, known=description.ranges).pixels
    except (UnreadableImageError, OSError) as error:
        print(f"{path}: {error}", file=sys.stderr)
        return None
