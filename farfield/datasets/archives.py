"""Members read straight out of zip and tar archives; nothing is ever unpacked to disk.

An archive is input from elsewhere, so every member is judged before it is used (`archive_checks`): a
name that leaves its folder, a link, a device, a repeated name, an encrypted file or a size beyond sense
stops the reading. The checks are our own, since those of the standard library are about unpacking and
differ between its versions.

An archive may hold archives that hold the images. A path may go on inside an archive,
`crops.zip/train.zip`, to any depth; `inner` names a plain tar (Visual Decathlon). Both are read by the same
rules where they lie, but for zips: these are read from their end, so a zip inside another archive is copied to
a temporary file that has no name and goes when it is closed.
"""

import errno
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import IO, TypeVar

from farfield.datasets.archive_checks import (
    MOST_IN_MEMORY,
    Member,
    UnusableArchiveError,
)
from farfield.datasets.archive_kinds import Tar, Zip, archive_of
from farfield.errors import InputError, first_few

T = TypeVar("T")
SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")

_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    RecursionError,  # thousands of extended headers, one for the next
    OverflowError,
    IndexError,  # a name cut to nothing
    NotImplementedError,  # a way of compression that zipfile does not have
    ValueError,  # numbers and names that do not parse
)


def scan(path: Path, inner: str = "") -> tuple[Member, ...]:
    """Every member in the order of the archive, each one judged, and the archive read to its end.

    Only at its end does a compressed tar show that it is complete and undamaged; the files in a zip are
    checked when they are read. InputError names the archive that is unsafe, damaged or missing.
    """
    with _reading(path), _opened(path, inner) as archive:
        return tuple(member for member, _ in archive.entries())


def visit(
    path: Path, names: Iterable[str], use: Callable[[Member, IO[bytes]], Iterable[T]], inner: str = ""
) -> Generator[T, None, None]:
    """Yield what `use` makes of each wanted member, open for reading, in the order of the archive.

    One pass through a tar up to the last wanted member, random access in a zip. A member is open while what
    `use` yields is taken. InputError as in `scan`, and if a wanted member is not there.
    """
    wanted = set(names)
    if not wanted:
        return
    with _reading(path), _opened(path, inner) as archive:
        for member, open_member in archive.entries():
            if member.name not in wanted or member.folder:
                continue
            with open_member() as file:
                yield from use(member, file)
            wanted.discard(member.name)
            if not wanted:
                return
    raise InputError(f"{archive.name} does not hold {first_few(sorted(wanted), shown=3)}.")


def whole(file: IO[bytes], member: Member, archive: str) -> bytes:
    """The bytes of an open member; InputError that names the archive if it is too large for memory."""
    if member.size > MOST_IN_MEMORY:
        raise InputError(
            f"{archive}: {member.name} claims to hold {member.size} bytes; a single image or label file has "
            f"at most {MOST_IN_MEMORY}."
        )
    data = file.read(member.size)
    if len(data) != member.size:
        raise EOFError(f"{member.name} has {len(data)} of {member.size} bytes")
    return data


def stream(path: Path, names: Iterable[str], inner: str = "") -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) of the wanted members as `visit` does, one in memory at a time."""
    name = f"{path}: {inner}" if inner else str(path)
    return visit(path, names, lambda member, file: [(member.name, whole(file, member, name))], inner)


def read(path: Path, name: str) -> bytes:
    """The bytes of one member; InputError as in `visit`."""
    [(_, data)] = stream(path, [name])
    return data


@contextmanager
def _opened(path: Path, inner: str = "") -> Iterator[Zip | Tar]:
    """The archive at `path`, which may go on inside one, or the plain tar called `inner` in it; InputError if
    that is not there."""
    file = next((place for place in (path, *path.parents) if place.is_file()), path)
    size = file.stat().st_size
    with ExitStack() as open_ones:
        archive = open_ones.enter_context(closing(archive_of(file.open("rb"), str(file), size)))
        within = path.relative_to(file).as_posix()
        while within != ".":
            member, member_file = _first_part(archive, within)
            open_ones.enter_context(closing(member_file))
            name = f"{archive.name}/{member.name}"
            archive = open_ones.enter_context(closing(archive_of(member_file, name, size)))
            within = within.removeprefix(member.name).lstrip("/") or "."
        if not inner:
            yield archive
            return
        for member, open_member in archive.entries():
            if member.name == inner and not member.folder:
                with open_member() as content:
                    yield Tar(content, f"{archive.name}: {inner}", size)
                return
    raise InputError(f"{path} does not hold {inner}.")


def _first_part(archive: Zip | Tar, within: str) -> tuple[Member, IO[bytes]]:
    """The member, opened, whose name `within` is or begins with."""
    for member, open_member in archive.entries():
        if not member.folder and f"{within}/".startswith(f"{member.name}/"):
            return member, open_member()
    raise InputError(f"{archive.name} does not hold {within}.")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what a damaged or missing archive raises into an InputError that names it."""
    try:
        yield
    except InputError:  # a judgement of its own, which is a ValueError too
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist; download it first.") from error
    except _DAMAGE as error:
        reason = "" if isinstance(error, RecursionError) else str(error)
        raise UnusableArchiveError(
            f"{path} is truncated, damaged or no zip or tar archive ({reason or type(error).__name__}). Put the "
            f"right file in its place."
        ) from error
    except OSError as error:
        # A number speaks of the disk; gzip and bz2 give none, and a nonsense offset gives EINVAL.
        if error.errno not in (None, errno.EINVAL):
            raise
        raise UnusableArchiveError(
            f"{path} is damaged ({error}). Put the right file in its place."
        ) from error
