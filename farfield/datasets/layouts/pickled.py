"""Files of pickles in the archives of a dataset, found by their names."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from farfield.datasets import archives
from farfield.datasets.archive_checks import Member
from farfield.datasets.decoders.containers.pickles import unpickle
from farfield.datasets.layouts.contents import contents_of
from farfield.datasets.layouts.names import Place
from farfield.datasets.visible import opened
from farfield.errors import InputError, first_few


def find_files(raw: Path, names: Iterable[str], dataset: str) -> dict[str, Place]:
    """Where each file lies, its name in any case of letters; InputError that names the first that is nowhere."""
    wanted = {name.lower(): name for name in names}
    beside = {path.name.lower() for path in raw.glob("*")}
    contents = {} if wanted.keys() <= beside else contents_of(raw)
    places = {wanted[p.name.lower()]: ("", p.name) for p in raw.glob("*") if p.name.lower() in wanted}
    places |= {
        wanted[last]: (archive, member.name)
        for archive, members in contents.items()
        for member in members
        if not member.folder and (last := PurePosixPath(member.name).name.lower()) in wanted
    }
    if absent := [name for name in wanted.values() if name not in places]:
        held = sorted(
            PurePosixPath(m.name).name for members in contents.values() for m in members if not m.folder
        )
        raise InputError(
            f"{raw}: no archive holds {absent[0]}, which {dataset} has; they hold {first_few(held) or 'nothing'}."
        )
    return {name: places[name] for name in wanted.values()}


def unpickled(raw: Path, places: Mapping[str, Place]) -> Iterator[tuple[str, Any]]:
    """Yield (file, what it holds), one in memory at a time, each archive in one pass.

    InputError as in `unpickle`.
    """
    for name, (archive, member) in places.items():
        if not archive:
            with opened(raw / member) as file:
                yield name, unpickle(file, str(raw / member))
    by_archive: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for name, (archive, member) in places.items():
        if archive:
            by_archive[archive][member] = name
    for archive, members in by_archive.items():
        yield from archives.visit(raw / archive, members, partial(_content, raw / archive, members))


def _content(
    archive: Path, names: Mapping[str, str], member: Member, file: IO[bytes]
) -> Iterator[tuple[str, Any]]:
    yield names[member.name], unpickle(file, f"{archive}: {member.name}")
