"""A list of images and labels for each split, as train.csv, val.csv and test.csv."""

from collections.abc import Callable, Iterator
from pathlib import Path

from farfield.datasets.layouts.contents import (
    Contents,
    images_by_name,
    label_texts,
    require_found,
    require_images,
    table,
)
from farfield.datasets.layouts.index import Index, Record, build_index
from farfield.datasets.layouts.labels import require_labels
from farfield.datasets.layouts.names import Place

SPLITS = ("train", "val", "test")
Row = tuple[int, str, str]  # line, image, label


def listed_by_split(
    raw: Path, contents: Contents, ending: str, rows_of: Callable[[str, str], Iterator[Row]]
) -> Iterator[tuple[Place, str, str]]:
    """Yield (place, label, split) of each image, by split, then as its list `<split><ending>` has it.

    rows_of: the rows of a list, by its text and its name. InputError if a list is missing, names images that are
    not there, or labels one not at all or twice.
    """
    images = images_by_name(raw, contents)
    texts = label_texts(raw, contents, [f"{split}{ending}" for split in SPLITS])
    for split in SPLITS:
        name = f"{split}{ending}"
        rows = list(rows_of(texts[name], name))
        require_labels(name, rows)
        require_found(name, [image for _, image, _ in rows], images, raw)
        yield from ((images[image], label, split) for _, image, label in rows)


def in_split_lists(raw: Path, contents: Contents) -> Index:
    """Rows by split, then as the lists (`filename,label`) have them.

    Classes are the labels of all splits, sorted. InputError as in `listed_by_split`.
    """
    listed = list(listed_by_split(raw, contents, ".csv", _rows))
    class_names = sorted({label for _, label, _ in listed})
    labels = {name: number for number, name in enumerate(class_names)}
    records = [Record(*place, place[1], labels[label], split) for place, label, split in listed]
    require_images(raw, contents, {record.archive for record in records})
    return build_index(raw, records, class_names)


def _rows(text: str, name: str) -> Iterator[Row]:
    for line, row in table(text, name, ["filename", "label"]):
        yield line, row["filename"], row["label"]
