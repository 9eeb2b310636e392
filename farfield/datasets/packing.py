"""Decode a dataset once: from archives to one memory-mapped array and a manifest.

Images are read in archive order in one thread and decoded in others, a bounded number at a time, so
memory does not grow with the dataset. A journal beside the unfinished array says which images are
done; a killed run continues from it.

Files that do not say which of their values are black and white, as 16-bit ones often do not, are read twice: once
for their quantiles, of which the range of the data set comes, and once to be shown in it. Others are read once.
"""

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from farfield.datasets.cards import Packing
from farfield.datasets.decoders import UnreadableImageError
from farfield.datasets.decoders.ranges import Range, ranges_of
from farfield.datasets.decoders.rgb import read_columns
from farfield.datasets.first_look import packed_image
from farfield.datasets.layouts import Index
from farfield.datasets.sources import Data
from farfield.datasets.unfinished import Fact, Key, copy_rows, fill, open_unfinished
from farfield.errors import InputError
from farfield.files import atomic_folder, write_json

Reader = Callable[[Sequence[int]], Iterator[tuple[int, Data]]]


def pack(
    index: Index, images: Reader, packing: Packing, folder: Path, scratch: Path, *, workers: int, title: str
) -> None:
    """Write `folder`/images.npy, manifest.parquet, unreadable.json and ranges.json.

    images.npy: uint8 [n, height, width, 3]. manifest.parquet: one row an image, in the order of `index`: row,
    path, label, class_name, split, width, height, mode, sha256 (of the file's bytes, and of the box that is cut
    out of it), the columns of `decoders.rgb.READ`, and group where any image has one. unreadable.json: the files
    left out, each with path and reason.
    ranges.json: the range of each kind of file (`decoders.ranges`) whose range the data set gives.
    images: yields (row, bytes or array) of the wanted rows, in the order of the archives.
    scratch: a folder for the unfinished work, removed when all is written. InputError if no image
    at all could be decoded.
    """
    count = len(index.records)
    arrays, facts = open_unfinished(scratch, {"images.npy": ((count, *packing.shape, 3), np.uint8)})

    ranges: dict[str, Range] = {}

    def work(row: Key, data: Data) -> Fact:
        box = index.records[int(row)].box
        try:
            fact, pixels = packed_image(data, packing, ranges, facts.get(row), box=box)
        except UnreadableImageError as error:
            return {"reason": str(error)}
        if pixels is not None:
            arrays["images.npy"][row] = pixels
        return fact

    bar = tqdm(total=count, initial=len(facts), desc=title, unit="image", file=sys.stderr)

    def pass_over(rows: list[int]) -> None:
        fill(scratch, images(rows) if rows else (), work, list(arrays.values()), facts, bar, workers)

    pass_over([row for row in range(count) if row not in facts])
    ranges |= ranges_of((record.split, facts[row]) for row, record in enumerate(index.records))
    waiting = [row for row in range(count) if "waiting" in facts[row]]
    bar.total = bar.n + len(waiting)
    pass_over(waiting)
    bar.close()
    arrays.clear()
    _write(index, facts, ranges, scratch / "images.npy", folder)
    shutil.rmtree(scratch)


def _write(
    index: Index, facts: Mapping[Key, Fact], ranges: Mapping[str, Range], images: Path, folder: Path
) -> None:
    import pandas as pd

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
                **read_columns([facts[row] for row in readable]),
            }
        )
        if any(record.group for record in records):
            manifest["group"] = [record.group for record in records]
        manifest.to_parquet(partial / "manifest.parquet", index=False)
        write_json(partial / "unreadable.json", unreadable)
        write_json(partial / "ranges.json", ranges)
        # Last, since what is moved here is lost if anything after it fails.
        if unreadable:
            copy_rows(images, partial / "images.npy", readable)
        else:
            shutil.move(images, partial / "images.npy")
