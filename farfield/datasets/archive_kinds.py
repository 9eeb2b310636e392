"""Zips and tars, as what `archives` goes through: their members in turn, each one judged, none unpacked."""

import bz2
import gzip
import io
import lzma
import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO, Any

from farfield.datasets.archive_checks import MOST_HEADER, Judge, Member
from farfield.datasets.zip_names import name_of
from farfield.errors import InputError

Entry = tuple[Member, Callable[[], IO[bytes]]]


class Zip:
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


class Tar:
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


def archive_of(file: IO[bytes], name: str, size: int) -> Zip | Tar:
    """The archive in an open file, by its first bytes. size: see `Judge`."""
    unpack: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}
    try:
        magic = file.read(2)
        file.seek(0)
        if magic == b"PK":
            return Zip(file if isinstance(file, io.BufferedReader) else _copied(file), name, size)
        return Tar(unpack[magic](file) if magic in unpack else file, name, size)
    except BaseException:
        file.close()
        raise


def _copied(file: IO[bytes]) -> IO[bytes]:
    copy = tempfile.TemporaryFile()  # noqa: SIM115, closed with the archive in it
    shutil.copyfileobj(file, copy, 2**20)
    copy.seek(0)
    return copy
