"""ISIC 2018 task 3: images in one zip, a one-hot table of diagnoses in another."""

import math
from pathlib import Path
from typing import Any

from farfield.datasets.layouts.contents import (
    contents_of,
    images_by_name,
    label_texts,
    require_found,
    table,
)
from farfield.datasets.layouts.index import Index, Record, build_index
from farfield.datasets.layouts.labels import require_labels
from farfield.datasets.layouts.options import take_options
from farfield.errors import InputError, first_few

LABELS = "ISIC2018_Task3_Training_GroundTruth.csv"
DIAGNOSES = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")  # labels are numbered as the columns stand


def isic(raw: Path, options: dict[str, Any]) -> Index:
    """Rows as the table lists them; the split is "all". No options."""
    take_options("isic", options)
    contents = contents_of(raw)
    images = images_by_name(raw, contents)
    text = label_texts(raw, contents, [LABELS])[LABELS]
    rows = list(table(text, LABELS, ["image", *DIAGNOSES]))
    marked = [_marked(row) for _, row in rows]
    wrong = [
        f"line {line}: {row['image']} has "
        + ("a value that is no number" if marks is None else f"{len(marks)} diagnoses")
        for (line, row), marks in zip(rows, marked, strict=True)
        if marks is None or len(marks) != 1
    ]
    if wrong:
        raise InputError(f"{LABELS}, {first_few(wrong, '; ')}; each image must have one diagnosis.")
    labels = [marks[0] for marks in marked if marks]
    named = [(line, row["image"]) for line, row in rows]
    require_labels(LABELS, [(*place, DIAGNOSES[label]) for place, label in zip(named, labels, strict=True)])
    names = [f"{image.removesuffix('.jpg')}.jpg" for _, image in named]
    require_found(LABELS, names, images, raw)
    records = [
        Record(*images[name], images[name][1], label, "all")
        for name, label in zip(names, labels, strict=True)
    ]
    return build_index(raw, records, DIAGNOSES)


def _marked(row: dict[str, str]) -> list[int] | None:
    """The diagnoses that are not zero; none if a value is no number."""
    try:
        values = [float(row[name]) for name in DIAGNOSES]
    except ValueError:
        return None
    return None if any(map(math.isnan, values)) else [label for label, value in enumerate(values) if value]
