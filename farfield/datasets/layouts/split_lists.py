"""A list of images and labels for each split: train.csv, val.csv and test.csv."""

from pathlib import Path

from farfield.datasets.layouts.contents import (
    contents_of,
    images_by_name,
    label_texts,
    require_found,
    require_images,
    table,
)
from farfield.datasets.layouts.index import Index, Record, build_index
from farfield.datasets.layouts.labels import require_labels

SPLITS = ("train", "val", "test")


def in_split_lists(raw: Path) -> Index:
    """Rows by split, then as the lists (`filename,label`) have them.

    Classes are the labels of all splits, sorted. InputError if a list is missing, names images that are not
    there, or labels one not at all or twice.
    """
    contents = contents_of(raw)
    images = images_by_name(raw, contents)
    texts = label_texts(raw, contents, [f"{split}.csv" for split in SPLITS])
    listed = []
    for split in SPLITS:
        name = f"{split}.csv"
        rows = [
            (line, row["filename"], row["label"])
            for line, row in table(texts[name], name, ["filename", "label"])
        ]
        require_labels(name, rows)
        require_found(name, [image for _, image, _ in rows], images, raw)
        listed += [(image, label, split) for _, image, label in rows]
    class_names = sorted({label for _, label, _ in listed})
    labels = {name: number for number, name in enumerate(class_names)}
    records = []
    for name, label, split in listed:
        archive, member = images[name]
        records.append(Record(archive, member, member, labels[label], split))
    require_images(raw, contents, {record.archive for record in records})
    return build_index(raw, records, class_names)
