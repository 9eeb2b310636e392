"""Reading images and targets in the order in which they lie, each archive in one pass."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import IO

from farfield.datasets import archives
from farfield.datasets.archive_checks import Member
from farfield.datasets.decoders.containers import images_in
from farfield.datasets.sources import Data, Source, Stack
from farfield.datasets.visible import opened


def read_sources(raw: Path, wanted: Mapping[int, Source]) -> Iterator[tuple[int, Data]]:
    """Yield (row, content) of every wanted source, archive by archive, in the order of their members.

    The content is the bytes of a file, or an array where the dataset ships arrays. One image is in memory
    at a time; of a member that holds many images, what its kind needs. Files beside the archives come in
    the order in which they are asked for. InputError names what cannot be read.
    """
    places: defaultdict[tuple[str, str], defaultdict[str, list[int]]]
    places = defaultdict(lambda: defaultdict(list))
    for row, source in wanted.items():
        places[source.archive, source.inner][source.member].append(row)
    for (archive, inner), members in sorted(places.items()):
        if not archive:
            yield from _read_files(raw, wanted, members)
            continue
        name = f"{raw / archive}: {inner}" if inner else str(raw / archive)
        use = partial(_of_member, name, wanted, members)
        yield from archives.visit(raw / archive, members, use, inner)


def _read_files(
    raw: Path, wanted: Mapping[int, Source], members: Mapping[str, list[int]]
) -> Iterator[tuple[int, Data]]:
    for name in members:
        with opened(raw / name) as file:
            member = Member(name, (raw / name).stat().st_size)
            yield from _of_member(str(raw), wanted, members, member, file)


def _of_member(
    archive: str,
    wanted: Mapping[int, Source],
    members: Mapping[str, list[int]],
    member: Member,
    file: IO[bytes],
) -> Iterator[tuple[int, Data]]:
    """The rows that lie in one open member."""
    by_stack: defaultdict[Stack | None, list[int]] = defaultdict(list)
    for row in members[member.name]:
        by_stack[wanted[row].stack].append(row)
    for number, (stack, rows) in enumerate(by_stack.items()):
        if number:
            file.seek(0)
        if stack is None:
            data = archives.whole(file, member, archive)
            yield from ((row, data) for row in rows)
        else:
            rows.sort(key=lambda row: wanted[row].entry)
            entries = [wanted[row].entry for row in rows]
            yield from zip(rows, images_in(file, f"{archive}: {member.name}", stack, entries), strict=True)
