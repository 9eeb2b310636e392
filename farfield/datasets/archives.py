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

import bz2
import errno
import gzip
import io
import lzma
import shutil
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar

from farfield.datasets.archive_checks import (
    MOST_HEADER,
    MOST_IN_MEMORY,
    Judge,
    Member,
    UnusableArchiveError,
)
from farfield.datasets.zip_names import name_of
from farfield.errors import InputError

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
    LookupError,  # a name cut to nothing, a table that points nowhere
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
) -> Iterator[T]:
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
    raise InputError(f"{archive.name} does not hold {_first_few(wanted)}.")


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


Entry = tuple[Member, Callable[[], IO[bytes]]]


class _Zip:
    def __init__(self, file: IO[bytes], name: str, size: int) -> None:
        self.file, self.name, self.size = file, name, size
        self.zip = zipfile.ZipFile(file)

    def entries(self) -> Iterator[Entry]:
        judge = Judge(self.name, self.size)
        # By place in the file, so that reading in this order never goes back.
        for info in sorted(self.zip.infolist(), key=lambda info: info.header_offset):
            name = name_of(info, self.name)
            kind = stat.S_IFMT(info.external_attr >> 16)  # of Unix, 0 if written elsewhere
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                judge.refuse(name, "is a link, a device or a pipe")
            if info.flag_bits & 0x41:  # bits 0 and 6: encryption, strong encryption
                judge.refuse(name, "is encrypted")
            if member := judge.member(name, info.file_size, name.endswith("/")):
                yield member, partial(self.zip.open, info)

    def close(self) -> None:
        self.zip.close()
        self.file.close()


class _Tar:
    """Read forwards only: going back in a compressed tar means to unpack it anew."""

    def __init__(self, file: IO[bytes], name: str, size: int) -> None:
        self.file, self.name, self.size = file, name, size

    def entries(self) -> Iterator[Entry]:
        judge = Judge(self.name, self.size)
        headers: Any = _Headers(self.file, self.name)
        # What is no UTF-8 in a name becomes the replacement character: names end in JSON and parquet.
        with tarfile.open(fileobj=headers, mode="r:", encoding="utf-8", errors="replace") as tar:
            while (info := tar.next()) is not None:
                vars(tar)["members"].clear()  # else it keeps every header: a kilobyte an image
                if info.issparse() or not (info.isreg() or info.isdir()):
                    judge.refuse(info.name, "is a link, a device, a pipe or a sparse file")
                if member := judge.member(info.name, info.size, info.isdir()):
                    yield member, partial(self._open, info)
        # tarfile takes a cut or damaged header for the end; the true end is a block of zeros.
        if headers.last != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("the mark of its end is missing")
        while block := self.file.read(2**20):
            judge.count(len(block), "the padding at its end")

    def _open(self, info: tarfile.TarInfo) -> IO[bytes]:
        self.file.seek(info.offset_data)
        return io.BufferedReader(_Slice(self.file, info.size))

    def close(self) -> None:
        self.file.close()


class _Headers:
    """The file as tarfile sees it: only headers are read through it, and none may be huge."""

    def __init__(self, file: IO[bytes], archive: str) -> None:
        self.seek, self.tell = file.seek, file.tell
        self._read, self._archive = file.read, archive
        self.last = b""

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MOST_HEADER:
            raise InputError(f"{self._archive} holds an unsafe member: one whose header has {size} bytes.")
        self.last = self._read(size)
        return self.last


class _Slice(io.RawIOBase):
    """The next `size` bytes of a file; EOFError if there are fewer."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._start, self._size, self._left = file, file.tell(), size, size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size - self._left

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self.tell(), io.SEEK_END: self._size}[whence]
        place = min(max(start + offset, 0), self._size)
        self._file.seek(self._start + place)
        self._left = self._size - place
        return place

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(min(len(buffer), self._left))
        if not data and self._left and len(buffer):
            raise EOFError(f"{self._left} bytes are missing")
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)


@contextmanager
def _opened(path: Path, inner: str = "") -> Iterator[_Zip | _Tar]:
    """The archive at `path`, which may go on inside one, or the plain tar called `inner` in it; InputError if
    that is not there."""
    file = next((place for place in (path, *path.parents) if place.is_file()), path)
    size = file.stat().st_size
    with ExitStack() as open_ones:
        archive = open_ones.enter_context(closing(_archive(file.open("rb"), str(file), size)))
        within = path.relative_to(file).as_posix()
        while within != ".":
            member, member_file = _first_part(archive, within)
            open_ones.enter_context(closing(member_file))
            name = f"{archive.name}/{member.name}"
            archive = open_ones.enter_context(closing(_archive(member_file, name, size)))
            within = within.removeprefix(member.name).lstrip("/") or "."
        if not inner:
            yield archive
            return
        for member, open_member in archive.entries():
            if member.name == inner and not member.folder:
                with open_member() as content:
                    yield _Tar(content, f"{archive.name}: {inner}", size)
                return
    raise InputError(f"{path} does not hold {inner}.")


def _archive(file: IO[bytes], name: str, size: int) -> _Zip | _Tar:
    """The archive in an open file, by its first bytes. size: see `Judge`."""
    unpack: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}
    try:
        magic = file.read(2)
        file.seek(0)
        if magic == b"PK":
            return _Zip(file if isinstance(file, io.BufferedReader) else _copied(file), name, size)
        return _Tar(unpack[magic](file) if magic in unpack else file, name, size)
    except BaseException:
        file.close()
        raise


def _copied(file: IO[bytes]) -> IO[bytes]:
    copy = tempfile.TemporaryFile()  # noqa: SIM115, closed with the archive in it
    shutil.copyfileobj(file, copy, 2**20)
    copy.seek(0)
    return copy


def _first_part(archive: _Zip | _Tar, within: str) -> tuple[Member, IO[bytes]]:
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


def _first_few(names: Iterable[str], shown: int = 3) -> str:
    ordered = sorted(names)
    rest = f" and {len(ordered) - shown} more" if len(ordered) > shown else ""
    return ", ".join(ordered[:shown]) + rest
