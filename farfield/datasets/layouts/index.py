"""Which images a dataset has, and reading them in the order in which they lie in the archives."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from farfield.datasets.archives import opened, stream
from farfield.errors import InputError

# unpack(file, name, entries): the images at these places, in their order, out of an open member that holds
# many. An image is an array uint8 [height, width, 3] or the bytes of a file; name is for messages.
Unpack = Callable[[IO[bytes], str, Sequence[int]], Iterator[bytes | np.ndarray]]

Box = tuple[int, int, int, int]  # left, top, right, bottom; in pixels from 0, right and bottom exclusive


@dataclass(frozen=True, slots=True)
class Record:
    """One image. path: what it is called everywhere else, unique in the dataset. entry: its place in a
    member that holds many. inner: the tar inside the archive that holds the member. box: the part of the
    image to cut out when it is decoded; it may reach beyond the image."""

    archive: str
    member: str
    path: str
    label: int
    split: str
    entry: int = 0
    inner: str = ""
    box: Box | None = None


@dataclass(frozen=True)
class Index:
    """All images of a dataset in the order of its rows. unpack: how a member with many images is read."""

    records: tuple[Record, ...]
    class_names: tuple[str, ...]
    unpack: Unpack | None = None


def build_index(
    raw: Path, records: Sequence[Record], class_names: Sequence[str], unpack: Unpack | None = None
) -> Index:
    """The index of these records. InputError if an image is there twice or a class has none."""
    repeated = [path for path, count in Counter(record.path for record in records).items() if count > 1]
    if repeated:
        raise InputError(
            f"{raw}: the image {repeated[0]} is listed more than once ({len(repeated)} such images); each "
            f"may have one label and one split."
        )
    used = {record.label for record in records}
    empty = [name for label, name in enumerate(class_names) if label not in used]
    if empty or not records:
        raise InputError(
            f"{raw}: no image was found for {'any class' if not used else 'class ' + ', '.join(empty[:5])}; "
            f"check that the archives are complete and that the card's layout and options fit them."
        )
    return Index(tuple(records), tuple(class_names), unpack)


def read_images(
    raw: Path, index: Index, rows: Sequence[int] | None = None
) -> Iterator[tuple[int, bytes | np.ndarray]]:
    """Yield (row, image file or array) of `rows` (default: all), archive by archive, in their order.

    An image is the bytes of its file, or an array uint8 [height, width, 3] where the dataset ships
    arrays. One image is in memory at a time; of a member that holds many images, that member.
    """
    by_archive: defaultdict[tuple[str, str], defaultdict[str, list[int]]]
    by_archive = defaultdict(lambda: defaultdict(list))
    for row in range(len(index.records)) if rows is None else rows:
        record = index.records[row]
        by_archive[record.archive, record.inner][record.member].append(row)
    for (archive, inner), members in sorted(by_archive.items()):
        if index.unpack is None:
            for name, data in stream(raw / archive, members, inner):
                for row in members[name]:
                    yield row, data
            continue
        for name, inside in sorted(members.items()):
            inside.sort(key=lambda row: index.records[row].entry)
            with opened(raw / archive, name) as file:
                entries = [index.records[row].entry for row in inside]
                images = index.unpack(file, f"{raw / archive}: {name}", entries)
                yield from zip(inside, images, strict=True)
