"""tieredImageNet (Ren et al., "Meta-Learning for Semi-Supervised Few-Shot Classification", ICLR 2018):
a pickled list of PNG files and a pickled table of labels for each split."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np

from farfield.datasets.archives import opened
from farfield.datasets.layouts.contents import contents_of
from farfield.datasets.layouts.index import Index, Record, build_index
from farfield.datasets.layouts.options import take_options
from farfield.datasets.layouts.pickles import field_of, unpickle
from farfield.errors import InputError

SPLITS = ("train", "val", "test")


def tiered(raw: Path, options: dict[str, Any]) -> Index:
    """Rows by split, then as the lists hold them. No options.

    Each split numbers its own classes from 0; here they follow each other. Reading the images takes as
    much memory as the largest list of PNG files, that of train, since a pickle is read as a whole.
    """
    take_options("tiered", options)
    places = {
        PurePosixPath(member.name).name: (archive, member.name)
        for archive, members in contents_of(raw).items()
        for member in members
        if not member.folder
    }
    wanted = [f"{split}_{part}.pkl" for split in SPLITS for part in ("images_png", "labels")]
    if absent := [name for name in wanted if name not in places]:
        raise InputError(f"{raw}: no archive holds {absent[0]}, which tieredImageNet has.")
    records: list[Record] = []
    class_names: list[str] = []
    for split in SPLITS:
        archive, member = places[f"{split}_labels.pkl"]
        with opened(raw / archive, member) as file:
            content = unpickle(file, f"{raw / archive}: {member}")
        labels = field_of(content, "label_specific", member)
        names = [_text(name) for name in field_of(content, "label_specific_str", member)]
        if beyond := [label for label in labels if not 0 <= label < len(names)]:
            raise InputError(
                f"{raw / archive}: {member} has the label {beyond[0]}; it names {len(names)} classes."
            )
        archive, member = places[f"{split}_images_png.pkl"]
        records += [
            Record(archive, member, f"{split}/{entry:06d}", len(class_names) + int(label), split, entry)
            for entry, label in enumerate(labels)
        ]
        class_names += names
    return build_index(raw, records, _distinct(class_names), _images)


def _text(name: Any) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def _distinct(names: list[str]) -> list[str]:
    """Names that stand for one class only; WordNet has two cranes, the bird and the machine."""
    counts = Counter(names)
    return [f"{name} ({label})" if counts[name] > 1 else name for label, name in enumerate(names)]


def _images(file: IO[bytes], name: str, entries: Sequence[int]) -> Iterator[bytes]:
    images = unpickle(file, name)
    if not isinstance(images, list | np.ndarray) or len(images) <= max(entries):
        found = len(images) if isinstance(images, list | np.ndarray) else "no list"
        raise InputError(f"{name} holds {found} of the {max(entries) + 1} images that its labels speak of.")
    for entry in entries:
        coded = images[entry]
        yield coded if isinstance(coded, bytes) else np.asarray(coded, dtype=np.uint8).tobytes()
