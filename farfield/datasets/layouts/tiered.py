"""tieredImageNet (Ren et al., "Meta-Learning for Semi-Supervised Few-Shot Classification", ICLR 2018):
a pickled list of PNG files and a pickled table of labels for each split."""

from collections import Counter
from pathlib import Path
from typing import Any

from farfield.datasets.decoders.containers.pickles import field_of
from farfield.datasets.layouts.index import Index, Record, build_index
from farfield.datasets.layouts.options import take_options
from farfield.datasets.layouts.pickled import find_files, unpickled
from farfield.datasets.sources import Stack
from farfield.errors import InputError

SPLITS = ("train", "val", "test")
FILES = Stack()  # a pickle is the list of PNG files


def tiered(raw: Path, options: dict[str, Any]) -> Index:
    """Rows by split, then as the lists hold them. No options.

    Each split numbers its own classes from 0; here they follow each other. Reading the images takes as
    much memory as the largest list of PNG files, that of train, since a pickle is read as a whole.
    """
    take_options("tiered", options)
    places = find_files(
        raw,
        [f"{split}_{part}.pkl" for split in SPLITS for part in ("images_png", "labels")],
        "tieredImageNet",
    )
    label_files = {name: place for name, place in places.items() if name.endswith("_labels.pkl")}
    tables = dict(unpickled(raw, label_files))
    records: list[Record] = []
    class_names: list[str] = []
    for split in SPLITS:
        archive, member = places[f"{split}_labels.pkl"]
        content = tables[f"{split}_labels.pkl"]
        labels = field_of(content, "label_specific", member)
        names = [_text(name) for name in field_of(content, "label_specific_str", member)]
        if beyond := [label for label in labels if not 0 <= label < len(names)]:
            raise InputError(
                f"{raw / archive}: {member} has the label {beyond[0]}; it names {len(names)} classes."
            )
        archive, member = places[f"{split}_images_png.pkl"]
        records += [
            Record(
                archive,
                member,
                f"{split}/{entry:06d}",
                len(class_names) + int(label),
                split,
                entry,
                stack=FILES,
            )
            for entry, label in enumerate(labels)
        ]
        class_names += names
    return build_index(raw, records, _distinct(class_names))


def _text(name: Any) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def _distinct(names: list[str]) -> list[str]:
    """Names that stand for one class only; WordNet has two cranes, the bird and the machine."""
    counts = Counter(names)
    return [f"{name} ({label})" if counts[name] > 1 else name for label, name in enumerate(names)]
