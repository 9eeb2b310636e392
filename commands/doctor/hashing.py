"""The MD5 of many files, at the speed at which they can be read."""

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from farfield.files import file_hash

SMALL = 1 << 18  # bytes


class Hashes:
    """Of files by path, those that are links to the same bytes read once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], str] = {}

    def read(self, paths: Iterable[Path]) -> None:
        """Read what is not known yet.

        Large files in threads, the largest first, so that no thread is left with one at the end; small ones in
        this thread, since threads that hash for microseconds wait for Python's lock instead.
        """
        new: dict[tuple[int, int], tuple[int, Path]] = {}
        for path in paths:
            facts = path.stat()
            identity = (facts.st_dev, facts.st_ino)
            if identity not in self._known:
                new[identity] = (facts.st_size, path)
        order = sorted(new, key=lambda identity: -new[identity][0])
        # More threads than cores: some wait for the disk. Python's lock is free while a piece is hashed.
        large = [one for one in order if new[one][0] > SMALL]
        with ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
            found = pool.map(lambda one: md5(new[one][1]), large)
            self._known.update((one, md5(new[one][1])) for one in order[len(large) :])
            self._known.update(zip(large, found, strict=True))

    def __getitem__(self, path: Path) -> str:
        return self._known[identity_of(path)]


def identity_of(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_dev, facts.st_ino


def md5(path: Path) -> str:
    """As DVC has it; empty for a file that cannot be read."""
    try:
        if path.stat().st_size <= SMALL:  # at once: the buffer for pieces costs more than they do
            return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        return file_hash(path, "md5")
    except OSError:
        return ""
