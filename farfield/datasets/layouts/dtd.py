"""Describable Textures with its published splits: lists of images for train, val and test, ten times."""

from pathlib import Path
from typing import Any

from farfield.datasets.layouts.contents import contents_of, images_by_name, label_texts, require_found
from farfield.datasets.layouts.index import Index, Record, build_index
from farfield.datasets.layouts.options import take_options
from farfield.errors import InputError

SPLITS = {"train": "train", "val": "train", "test": "test"}  # list: split


def dtd(raw: Path, options: dict[str, Any]) -> Index:
    """Rows as the lists `labels/{train,val,test}<n>.txt` (`class/file`) have them; those of val are trained on.

    Option `split`: n, from 1 (the default) to 10. Labels follow the alphabet.
    """
    number = take_options("dtd", options, split=1)["split"]
    if not 1 <= number <= 10:
        raise InputError(f"the option split of the layout dtd is {number}; there are splits 1 to 10.")
    contents = contents_of(raw)
    images = images_by_name(raw, contents)
    lists = {f"{name}{number}.txt": split for name, split in SPLITS.items()}
    listed: list[tuple[str, str]] = []
    texts = label_texts(raw, contents, lists)
    for name, split in lists.items():
        paths = [line.strip() for line in texts[name].splitlines() if line.strip()]
        require_found(name, paths, images, raw)
        listed += [(path, split) for path in paths]
    class_names = sorted({path.split("/")[0] for path, _ in listed})
    labels = {name: label for label, name in enumerate(class_names)}
    records = [
        Record(*images[path], images[path][1], labels[path.split("/")[0]], split) for path, split in listed
    ]
    return build_index(raw, records, class_names)
