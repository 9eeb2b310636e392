"""ISIC 2018 task 3: images in one zip, a one-hot table of diagnoses in another."""

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
from farfield.errors import InputError

LABELS = "ISIC2018_Task3_Training_GroundTruth.csv"
DIAGNOSES = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")  # labels are numbered as the columns stand


def isic(raw: Path, options: dict[str, Any]) -> Index:
    """Rows as the table lists them; the split is "all". No options."""
    take_options("isic", options)
    contents = contents_of(raw)
    images = images_by_name(raw, contents)
    text = label_texts(raw, contents, [LABELS])[LABELS]
    rows = list(table(text, LABELS, ["image", *DIAGNOSES]))
    diagnosed = [(f"{row['image'].removesuffix('.jpg')}.jpg", _diagnosis(row, line)) for line, row in rows]
    named = zip(rows, diagnosed, strict=True)
    require_labels(LABELS, [(line, row["image"], DIAGNOSES[label]) for (line, row), (_, label) in named])
    require_found(LABELS, [name for name, _ in diagnosed], images, raw)
    records = [Record(*images[name], images[name][1], label, "all") for name, label in diagnosed]
    return build_index(raw, records, DIAGNOSES)


def _diagnosis(row: dict[str, str], line: int) -> int:
    try:
        marked = [label for label, name in enumerate(DIAGNOSES) if float(row[name]) != 0]
    except ValueError as error:
        raise InputError(f"{LABELS}, line {line}: {row['image']} has a value that is no number.") from error
    if len(marked) != 1:
        raise InputError(
            f"{LABELS}, line {line}: {row['image']} has {len(marked)} diagnoses; each image must have one."
        )
    return marked[0]
