"""Lines that are added to a file or to standard output in batches, each whole or not at all."""

import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Appender:
    """Where batches of lines go. file: a descriptor; none: a standard output that has none, as in tests."""

    file: int | None
    name: str

    def add(self, text: str) -> None:
        """Write `text`. If that fails, as on a full disk, what was written of it is taken back from a
        file."""
        if self.file is None:
            sys.stdout.write(text)
            return
        status = os.fstat(self.file)
        rest = memoryview(text.encode("utf-8", "surrogateescape"))
        try:
            while rest:
                rest = rest[os.write(self.file, rest) :]
        except OSError as error:
            if stat.S_ISREG(status.st_mode):
                os.ftruncate(self.file, status.st_size)
            error.filename = self.name
            raise


def standard_output() -> Appender:
    sys.stdout.flush()
    try:
        return Appender(sys.stdout.fileno(), "standard output")
    except OSError:  # io.UnsupportedOperation
        return Appender(None, "standard output")


@contextlib.contextmanager
def appended(path: Path, mark: str, quoted: bool) -> Iterator[tuple[Appender, str]]:
    """Add to the file that `path` will be, and what it already holds: whole lines of an earlier, unfinished
    run.

    mark: what the lines depend on; those of a run with another one are not continued. quoted: whether a line
    may break within quotes, as in CSV. The file has its name when the block succeeds; if it fails,
    `<path>.<mark>.partial` keeps the whole batches.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{mark}.partial")
    file = os.open(partial, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        held = _whole(partial.read_bytes(), quoted)
        os.ftruncate(file, len(held))
        os.lseek(file, 0, os.SEEK_END)
        yield Appender(file, str(partial)), held.decode("utf-8", "surrogateescape")
        os.fsync(file)
    finally:
        os.close(file)
    partial.replace(path)


def _whole(data: bytes, quoted: bool) -> bytes:
    """`data` up to the end of its last whole line."""
    if not quoted:
        return data[: data.rfind(b"\n") + 1]
    end = place = quotes = 0
    for line in data.splitlines(keepends=True):
        place += len(line)
        quotes += line.count(b'"')
        if line.endswith(b"\n") and quotes % 2 == 0:
            end = place
    return data[:end]
