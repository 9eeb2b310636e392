"""CIFAR-100, python version: pickles of pixels and labels in one tar."""

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np

from farfield.datasets.archives import opened
from farfield.datasets.layouts.contents import contents_of
from farfield.datasets.layouts.index import Index, Record, build_index
from farfield.datasets.layouts.options import split_classes, take_options
from farfield.datasets.layouts.pickles import field_of, unpickle
from farfield.errors import InputError


def cifar(raw: Path, options: dict[str, Any]) -> Index:
    """Rows as the batches hold them, with their fine labels; the split is the name of the batch.

    Options: `batches`, by default train and test. `class_split`, see `split_classes`: BSCD-FSL trains
    on the classes whose label is divisible by 3, of the train batch.
    """
    taken = take_options("cifar", options, batches=["train", "test"], class_split={})
    places = {
        PurePosixPath(member.name).name: (archive, member.name)
        for archive, members in contents_of(raw).items()
        for member in members
        if not member.folder
    }
    if absent := [name for name in (*taken["batches"], "meta") if name not in places]:
        raise InputError(f"{raw}: no archive holds {absent[0]}, which CIFAR-100 has.")
    names = field_of(_load(raw, *places["meta"]), "fine_label_names", "meta")
    records: list[Record] = []
    for batch in taken["batches"]:
        archive, member = places[batch]
        content = _load(raw, archive, member)
        labels, images = field_of(content, "fine_labels", member), len(_pixels(content, member))
        if len(labels) != images:
            raise InputError(f"{raw / archive}: {member} has {images} images and {len(labels)} labels.")
        if beyond := [label for label in labels if not 0 <= label < len(names)]:
            raise InputError(
                f"{raw / archive}: {member} has the label {beyond[0]}; there are {len(names)} classes."
            )
        records += [
            Record(archive, member, f"{batch}/{entry:05d}", int(label), batch, entry)
            for entry, label in enumerate(labels)
        ]
    if taken["class_split"]:
        records, names = split_classes(records, names, taken["class_split"])
    return build_index(raw, records, names, _images)


def _load(raw: Path, archive: str, member: str) -> Any:
    with opened(raw / archive, member) as file:
        return unpickle(file, f"{raw / archive}: {member}")


def _pixels(content: Any, name: str) -> np.ndarray:
    """uint8 [n, 32, 32, 3] of the rows [n, 3 x 32 x 32], which go channel by channel."""
    data = np.asarray(field_of(content, "data", name))
    if data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3072:
        raise InputError(f"{name} has data {data.dtype} {list(data.shape)}; expected uint8 [images, 3072].")
    return data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def _images(file: IO[bytes], name: str, entries: Sequence[int]) -> Iterator[np.ndarray]:
    pixels = _pixels(unpickle(file, name), name)
    for entry in entries:
        yield np.ascontiguousarray(pixels[entry])
