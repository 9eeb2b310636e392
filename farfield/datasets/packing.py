"""Decode a dataset once: from archives to one memory-mapped array and a manifest.

Images are read in archive order in one thread and decoded in others, a bounded number at a time, so
memory does not grow with the dataset. A journal beside the unfinished array says which images are
done; a killed run continues from it.
"""

import hashlib
import json
import shutil
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from farfield.datasets.cards import Packing
from farfield.datasets.decoding import UnreadableImageError, decode
from farfield.datasets.layouts import Index
from farfield.errors import InputError
from farfield.files import allocate_array, atomic_file, atomic_folder, write_json

CHUNK = 64  # images handed to a thread, and journalled, at once ...
CHUNK_BYTES = 16 * 2**20  # ... or fewer, if their files are large
Reader = Callable[[Sequence[int]], Iterator[tuple[int, bytes | np.ndarray]]]


def pack(
    index: Index, read: Reader, packing: Packing, folder: Path, scratch: Path, *, workers: int, title: str
) -> None:
    """Write `folder`/images.npy, manifest.parquet and unreadable.json.

    images.npy: uint8 [n, size, size, 3]. manifest.parquet: one row an image, in the order of
    `index`: row, path, label, class_name, split, width, height, mode, sha256 (of the file's bytes).
    unreadable.json: the files left out, each with path and reason.
    read: yields (row, bytes or array) of the wanted rows, in the order of the archives.
    scratch: a folder for the unfinished work, removed when all is written. InputError if no image
    at all could be decoded.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    count = len(index.records)
    shape = (count, packing.size, packing.size, 3)
    array, facts = _open_scratch(scratch, shape)
    todo = [row for row in range(count) if row not in facts]
    with (scratch / "journal.jsonl").open("a", encoding="utf-8") as journal:
        bar = tqdm(total=count, initial=len(facts), desc=title, unit="image", file=sys.stderr)
        files = read(todo) if todo else iter(())
        for chunk in _decode_all(files, index, packing, array, workers):
            facts.update(chunk)
            array.flush()
            journal.write("".join(json.dumps([row, fact]) + "\n" for row, fact in chunk.items()))
            journal.flush()
            bar.update(len(chunk))
        bar.close()
    del array
    _write(index, facts, scratch / "images.npy", folder)
    shutil.rmtree(scratch)


def _open_scratch(scratch: Path, shape: tuple[int, ...]) -> tuple[np.memmap, dict[int, dict[str, Any]]]:
    path, journal = scratch / "images.npy", scratch / "journal.jsonl"
    if not path.exists():
        journal.unlink(missing_ok=True)
        with atomic_file(path) as partial:
            allocate_array(partial, shape, np.uint8)
    facts: dict[int, dict[str, Any]] = {}
    for line in journal.read_text(encoding="utf-8").splitlines() if journal.exists() else ():
        try:
            row, fact = json.loads(line)
        except json.JSONDecodeError:  # the line that a kill cut short
            continue
        facts[row] = fact
    return np.load(path, mmap_mode="r+"), facts


def _decode_all(
    files: Iterable[tuple[int, bytes | np.ndarray]],
    index: Index,
    packing: Packing,
    array: np.memmap,
    workers: int,
) -> Iterator[dict[int, dict[str, Any]]]:
    """Yield {row: facts} chunk by chunk, in order, with at most 2 x workers chunks under way."""

    def work(chunk: list[tuple[int, bytes | np.ndarray]]) -> dict[int, dict[str, Any]]:
        facts: dict[int, dict[str, Any]] = {}
        for row, data in chunk:
            try:
                image = decode(data, packing, index.records[row].box)
            except UnreadableImageError as error:
                facts[row] = {"reason": str(error)}
                continue
            array[row] = image.pixels
            content = data if isinstance(data, bytes) else data.tobytes()
            facts[row] = {
                "width": image.width,
                "height": image.height,
                "mode": image.mode,
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        return facts

    stream = iter(files)
    under_way: deque[Future[dict[int, dict[str, Any]]]] = deque()
    with ThreadPoolExecutor(workers) as pool:  # Pillow decodes and resizes without the GIL
        while chunk := _next_chunk(stream):
            under_way.append(pool.submit(work, chunk))
            if len(under_way) >= 2 * workers:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def _next_chunk(stream: Iterator[tuple[int, bytes | np.ndarray]]) -> list[tuple[int, bytes | np.ndarray]]:
    chunk, size = [], 0
    for row, data in islice(stream, CHUNK):
        chunk.append((row, data))
        size += len(data) if isinstance(data, bytes) else data.nbytes
        if size >= CHUNK_BYTES:
            break
    return chunk


def _write(index: Index, facts: dict[int, dict[str, Any]], images: Path, folder: Path) -> None:
    readable = [row for row in range(len(index.records)) if "reason" not in facts[row]]
    unreadable = [
        {"path": index.records[row].path, "reason": facts[row]["reason"]}
        for row in range(len(index.records))
        if "reason" in facts[row]
    ]
    if not readable:
        example = f" (the first: {unreadable[0]['path']}: {unreadable[0]['reason']})" if unreadable else ""
        raise InputError(
            f"none of the {len(index.records)} images could be decoded{example}; check that the archives "
            f"hold images and that the card's layout fits them"
        )
    with atomic_folder(folder) as partial:
        records = [index.records[row] for row in readable]
        manifest = pd.DataFrame(
            {
                "row": np.arange(len(records), dtype=np.int32),
                "path": [record.path for record in records],
                "label": np.array([record.label for record in records], dtype=np.int32),
                "class_name": [index.class_names[record.label] for record in records],
                "split": [record.split for record in records],
                "width": np.array([facts[row]["width"] for row in readable], dtype=np.int32),
                "height": np.array([facts[row]["height"] for row in readable], dtype=np.int32),
                "mode": [facts[row]["mode"] for row in readable],
                "sha256": [facts[row]["sha256"] for row in readable],
            }
        )
        manifest.to_parquet(partial / "manifest.parquet", index=False)
        write_json(partial / "unreadable.json", unreadable)
        # Last, since what is moved here is lost if anything after it fails.
        if unreadable:
            _copy_rows(images, partial / "images.npy", readable)
        else:
            shutil.move(images, partial / "images.npy")


def _copy_rows(source: Path, target: Path, rows: list[int]) -> None:
    images = np.load(source, mmap_mode="r")
    kept = allocate_array(target, (len(rows), *images.shape[1:]), np.uint8)
    for start in range(0, len(rows), CHUNK):
        kept[start : start + CHUNK] = images[rows[start : start + CHUNK]]
    kept.flush()
