"""By what a file that was hashed is known again without being read: name, size, time of change and inode."""

from pathlib import Path
from typing import Any

Stamps = list[list[Any]]


def stamps_of(path: Path) -> Stamps:
    """[name, size in bytes, time of change in ns, inode] of each file below `path`, or of the one that it
    is; as JSON gives them back."""
    files = [file for file in sorted(path.rglob("*")) if file.is_file()] if path.is_dir() else [path]
    facts = [(file, file.stat()) for file in files]
    return [[file.relative_to(path).as_posix(), s.st_size, s.st_mtime_ns, s.st_ino] for file, s in facts]
