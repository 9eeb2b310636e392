"""Which images a dataset has, and reading them in the order in which they lie in the archives."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farfield.datasets.reading import read_sources
from farfield.datasets.sources import Box, Data, Source, Stack
from farfield.errors import InputError, first_few


@dataclass(frozen=True, slots=True)
class Record:
    """One image. path: what it is called everywhere else, unique in the dataset. archive, member, inner,
    stack, entry: where it lies, as in `Source`. group: what it shares with images that must stay on one side of
    a split, such as its patient; empty if nothing is known. box: the part of the image to cut out when it is
    decoded; it may reach beyond the image."""

    archive: str
    member: str
    path: str
    label: int
    split: str
    entry: int = 0
    inner: str = ""
    box: Box | None = None
    stack: Stack | None = None
    group: str = ""

    @property
    def source(self) -> Source:
        return Source(self.archive, self.member, self.inner, self.stack, self.entry)


@dataclass(frozen=True)
class Index:
    """All images of a dataset in the order of its rows."""

    records: tuple[Record, ...]
    class_names: tuple[str, ...]


def box_of(values: Iterable[Any]) -> Box | None:
    """The pixels that left, top, width and height, whole or not, touch; none if they are no four numbers or span
    nothing."""
    try:
        left, top, width, height = map(float, values)
        box = math.floor(left), math.floor(top), math.ceil(left + width), math.ceil(top + height)
    except (TypeError, ValueError, OverflowError):
        return None
    return box if box[0] < box[2] and box[1] < box[3] else None


def build_index(raw: Path, records: Sequence[Record], class_names: Sequence[str]) -> Index:
    """The index of these records. InputError if an image is there twice or a class has none."""
    counts = Counter(record.path for record in records)
    if repeated := [path for path, count in counts.items() if count > 1]:
        found: defaultdict[str, set[str]] = defaultdict(set)
        for record in records:
            if counts[record.path] > 1:
                found[record.path].add(f"{class_names[record.label]} in {record.split}")
        named = [f"{path} is listed more than once: {' and '.join(sorted(found[path]))}" for path in repeated]
        raise InputError(
            f"{raw}: the image {first_few(named, '; ')} ({len(repeated)} such images); each may have one label "
            f"and one split."
        )
    used = {record.label for record in records}
    empty = [name for label, name in enumerate(class_names) if label not in used]
    if empty or not records:
        raise InputError(
            f"{raw}: no image was found for {'any class' if not used else 'class ' + ', '.join(empty[:5])}; "
            f"check that the archives are complete and that the card's layout and options fit them."
        )
    return Index(tuple(records), tuple(class_names))


def read_images(raw: Path, index: Index, rows: Sequence[int] | None = None) -> Iterator[tuple[int, Data]]:
    """Yield (row, image) of `rows` (default: all) as `read_sources` does."""
    chosen = range(len(index.records)) if rows is None else rows
    return read_sources(raw, {row: index.records[row].source for row in chosen})
