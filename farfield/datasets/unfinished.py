"""Arrays under construction, and a journal of what is already in them.

A killed run continues from its journal: only results that are safely in the arrays stand in it, each with a
checksum of its row of every array.
"""

import json
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from tqdm import tqdm

from farfield.datasets.sources import Data
from farfield.files import allocate_array, atomic_file

CHUNK = 64  # files handed to a thread, and journalled, at once ...
CHUNK_BYTES = 16 * 2**20  # ... or fewer, if they are large

Fact = dict[str, Any]
Key = int | str  # of one file: what a journal in JSON can hold
LONG = "quantiles"  # of a fact: many numbers, which stay in the journal and are read there when asked for
KEPT = "values"  # of a fact: pixels that will be needed once more; in memory alone, of the first files
KEPT_BYTES = 2**28  # of all of them


@dataclass(frozen=True, slots=True)
class Numbers(Sequence[float]):
    """The numbers `LONG` of a fact, in the line of the journal that begins at byte `place`."""

    journal: Path
    place: int

    def _read(self) -> list[float]:
        with self.journal.open("rb") as file:
            file.seek(self.place)
            return json.loads(file.readline().partition(b" ")[2])[1][LONG]

    def __getitem__(self, index: Any) -> Any:
        return self._read()[index]

    def __len__(self) -> int:
        return len(self._read())

    def __iter__(self) -> Iterator[float]:
        return iter(self._read())


def open_unfinished(
    scratch: Path, arrays: Mapping[str, tuple[tuple[int, ...], DTypeLike]]
) -> tuple[dict[str, np.memmap], dict[Key, Fact]]:
    """The arrays `scratch`/<name>, given as (shape, dtype), and what the journal knows about their content.

    Arrays that are not there, or are damaged beyond their rows, are made, and then the journal begins anew.
    What is in a row that does not have its last checksum is forgotten, all files of it: it was damaged, or
    written again when the run was killed.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    journal = scratch / "journal.jsonl"
    for name, (shape, dtype) in arrays.items():
        if not _fits(scratch / name, shape, dtype):
            journal.unlink(missing_ok=True)
            with atomic_file(scratch / name) as partial:
                allocate_array(partial, shape, dtype)
    facts: dict[Key, Fact] = {}
    sums: dict[int, dict[str, int]] = {}
    if journal.exists():
        with journal.open("rb") as lines:
            place = 0
            for line in lines:
                mark, _, text = line.rstrip(b"\n").partition(b" ")
                if mark == _mark(text):  # not the line that a kill cut short, nor one that was damaged
                    key, fact, found = json.loads(text)
                    facts[key] = _light(fact, journal, place)
                    sums.setdefault(row_of(key), {}).update(found)
                place += len(line)
    opened = {name: np.load(scratch / name, mmap_mode="r+") for name in arrays}
    wrong = {
        row for row, found in sums.items() if any(_sum(opened[n][row]) != crc for n, crc in found.items())
    }
    return opened, {key: fact for key, fact in facts.items() if row_of(key) not in wrong}


def _fits(path: Path, shape: tuple[int, ...], dtype: DTypeLike) -> bool:
    """Whether an array of this form is there."""
    try:
        found = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):  # not there, cut off, or its head is damaged
        return False
    return (found.shape, found.dtype) == (shape, np.dtype(dtype))


def row_of(key: Key) -> int:
    """The row of the arrays that a file belongs to: its key, or the last word of it."""
    return int(str(key).rsplit(" ", 1)[-1])


def _mark(text: bytes) -> bytes:
    return b"%08x" % zlib.crc32(text)


def _sum(row: np.ndarray) -> int:
    return zlib.crc32(row.tobytes())


def _light(fact: Fact, journal: Path, place: int) -> Fact:
    """The fact without its long part, which is in the journal at this place."""
    return {**fact, LONG: Numbers(journal, place)} if LONG in fact else fact


def fill(
    scratch: Path,
    files: Iterable[tuple[Key, Data]],
    work: Callable[[Key, Data], Fact],
    arrays: Sequence[np.memmap],
    facts: dict[Key, Fact],
    bar: tqdm,
    workers: int,
) -> None:
    """Add to `facts` and the journal what `work`, which writes to `arrays`, says about each file.

    Files are taken in one thread and worked on in `workers` others, a bounded number at a time.
    """
    path = scratch / "journal.jsonl"
    with path.open("ab") as journal:
        for chunk in _work_all(files, work, workers):
            for array in arrays:
                array.flush()
            places = {}
            for key, fact in chunk.items():
                places[key] = journal.tell()
                sums = {Path(str(a.filename)).name: _sum(a[row_of(key)]) for a in arrays}
                text = json.dumps([key, _written(fact), sums]).encode()
                journal.write(b"%s %s\n" % (_mark(text), text))
            journal.flush()
            facts.update((key, _light(fact, path, places[key])) for key, fact in chunk.items())
            bar.update(len(chunk))


def _written(fact: Fact) -> Fact:
    return {name: value for name, value in fact.items() if name != KEPT}


def _work_all(
    files: Iterable[tuple[Key, Data]], work: Callable[[Key, Data], Fact], workers: int
) -> Iterator[dict[Key, Fact]]:
    """Yield {key: fact} chunk by chunk, in order, with at most 2 x workers chunks under way."""

    room, lock = KEPT_BYTES, Lock()

    def kept_while_there_is_room(fact: Fact) -> Fact:
        nonlocal room
        if KEPT in fact:
            with lock:
                room -= fact[KEPT].array.nbytes
                if room < 0:
                    del fact[KEPT]
        return fact

    def work_chunk(chunk: list[tuple[Key, Data]]) -> dict[Key, Fact]:
        return {key: kept_while_there_is_room(work(key, data)) for key, data in chunk}

    stream = iter(files)
    under_way: deque[Future[dict[Key, Fact]]] = deque()
    with ThreadPoolExecutor(workers) as pool:  # Pillow decodes and resizes without the GIL
        while chunk := _next_chunk(stream):
            under_way.append(pool.submit(work_chunk, chunk))
            if len(under_way) >= 2 * workers:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def _next_chunk(stream: Iterator[tuple[Key, Data]]) -> list[tuple[Key, Data]]:
    chunk, size = [], 0
    for key, data in islice(stream, CHUNK):
        chunk.append((key, data))
        size += len(data) if isinstance(data, bytes) else data.nbytes
        if size >= CHUNK_BYTES:
            break
    return chunk


def copy_rows(source: Path, target: Path, rows: list[int]) -> None:
    """Write these rows of the array at `source` to a new one at `target`."""
    array = np.load(source, mmap_mode="r")
    kept = allocate_array(target, (len(rows), *array.shape[1:]), array.dtype)
    for start in range(0, len(rows), CHUNK):
        kept[start : start + CHUNK] = array[rows[start : start + CHUNK]]
    kept.flush()
