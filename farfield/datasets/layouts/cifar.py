"""CIFAR-100, python version: pickles of pixels and labels in one tar."""

from pathlib import Path
from typing import Any

import numpy as np

from farfield.datasets.decoders.containers.pickles import field_of
from farfield.datasets.layouts.index import Index, Record, build_index
from farfield.datasets.layouts.options import split_classes, take_options
from farfield.datasets.layouts.pickled import find_files, unpickled
from farfield.datasets.sources import Stack
from farfield.errors import InputError

ROWS = Stack("data", "chw", (3, 32, 32))  # a batch holds uint8 [n, 3072], an image a row, channel by channel


def cifar(raw: Path, options: dict[str, Any]) -> Index:
    """Rows as the batches hold them, with their fine labels; the split is the name of the batch.

    Options: `batches`, by default train and test. `class_split`, see `split_classes`: BSCD-FSL trains
    on the classes whose label is divisible by 3, of the train batch.
    """
    taken = take_options("cifar", options, batches=["train", "test"], class_split={})
    places = find_files(raw, [*taken["batches"], "meta"], "CIFAR-100")
    names: list[str] = []
    listed: dict[str, list[int]] = {}
    for name, content in unpickled(raw, places):
        if name == "meta":
            names = field_of(content, "fine_label_names", name)
        else:
            listed[name] = _labels(content, raw / places[name][0], places[name][1])
    records: list[Record] = []
    for batch in taken["batches"]:
        archive, member = places[batch]
        if beyond := [label for label in listed[batch] if not 0 <= label < len(names)]:
            raise InputError(
                f"{raw / archive}: {member} has the label {beyond[0]}; there are {len(names)} classes."
            )
        records += [
            Record(archive, member, f"{batch}/{entry:05d}", int(label), batch, entry, stack=ROWS)
            for entry, label in enumerate(listed[batch])
        ]
    if taken["class_split"]:
        records, names = split_classes(records, names, taken["class_split"])
    return build_index(raw, records, names)


def _labels(content: Any, archive: Path, member: str) -> list[int]:
    """The labels of a batch; InputError if it does not hold an image of each."""
    labels, data = field_of(content, "fine_labels", member), np.asarray(field_of(content, "data", member))
    if data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3072:
        raise InputError(f"{member} has data {data.dtype} {list(data.shape)}; expected uint8 [images, 3072].")
    if len(labels) != len(data):
        raise InputError(f"{archive}: {member} has {len(data)} images and {len(labels)} labels.")
    return labels
