"""RVL-CDIP: scanned pages in one large tar, and a list of labelled paths for each split."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from farfield.datasets.layouts.contents import contents_of
from farfield.datasets.layouts.index import Index, Record, build_index
from farfield.datasets.layouts.options import take_options
from farfield.datasets.layouts.split_lists import Row, listed_by_split
from farfield.errors import InputError

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
    listed = listed_by_split(raw, contents_of(raw), ".txt", _rows)
    records = [Record(*place, place[1], int(label), split) for place, label, split in listed]
    return build_index(raw, records, CLASSES)


def _rows(text: str, name: str) -> Iterator[Row]:
    for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
        if not line:
            continue
        path, _, label = line.rpartition(" ")
        if not path or not label.isdecimal() or int(label) >= len(CLASSES):
            raise InputError(
                f"{name}, line {number}: found {line!r}; expected a path and a label from 0 to "
                f"{len(CLASSES) - 1}."
            )
        yield number, path.strip(), label
