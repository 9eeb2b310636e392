"""RVL-CDIP: scanned pages in one large tar, and a list of labelled paths for each split."""

from pathlib import Path
from typing import Any

from farfield.datasets.layouts.contents import contents_of, images_by_name, label_texts, require_found
from farfield.datasets.layouts.index import Index, Record, build_index
from farfield.datasets.layouts.options import take_options
from farfield.errors import InputError

SPLITS = ("train", "val", "test")
CLASSES = (
    "letter",
    "form",
    "email",
    "handwritten",
    "advertisement",
    "scientific report",
    "scientific publication",
    "specification",
    "file folder",
    "news article",
    "budget",
    "invoice",
    "presentation",
    "questionnaire",
    "resume",
    "memo",
)


def rvl_cdip(raw: Path, options: dict[str, Any]) -> Index:
    """Rows by split, then as its list has them (`path label`, the path being below `images/`, wherever that
    lies).

    The lists `{train,val,test}.txt` lie in the archive's `labels/` or beside the archive. No options.
    """
    take_options("rvl_cdip", options)
    contents = contents_of(raw)
    images = images_by_name(raw, contents)
    texts = label_texts(raw, contents, [f"{split}.txt" for split in SPLITS])
    records = []
    for split in SPLITS:
        name = f"{split}.txt"
        listed = [
            _labelled(name, number, line)
            for number, line in enumerate(texts[name].splitlines(), start=1)
            if line.strip()
        ]
        require_found(name, [path for path, _ in listed], images, raw)
        records += [Record(*images[path], images[path][1], label, split) for path, label in listed]
    return build_index(raw, records, CLASSES)


def _labelled(name: str, number: int, line: str) -> tuple[str, int]:
    path, _, label = line.strip().rpartition(" ")
    if not path or not label.isdecimal() or int(label) >= len(CLASSES):
        raise InputError(
            f"{name}, line {number}: found {line.strip()!r}; expected a path and a label from 0 to "
            f"{len(CLASSES) - 1}."
        )
    return path.strip(), int(label)
