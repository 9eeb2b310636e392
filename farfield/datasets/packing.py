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
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from farfield.datasets.cards import Channels, Packing
from farfield.datasets.decoders import UnreadableImageError, read
from farfield.datasets.decoders.bands import groups
from farfield.datasets.decoders.ranges import channel_ranges_of, ranges_of
from farfield.datasets.decoders.rgb import read_columns
from farfield.datasets.first_look import packed_image
from farfield.datasets.layouts import Index
from farfield.datasets.sources import Data
from farfield.datasets.unfinished import Fact, Key, copy_rows, fill, open_unfinished
from farfield.errors import InputError
from farfield.files import atomic_folder, write_json

Reader = Callable[[Sequence[int]], Iterator[tuple[int, Data]]]


def pack(
    index: Index,
    images: Reader,
    packing: Packing,
    folder: Path,
    scratch: Path,
    *,
    workers: int,
    title: str,
    channels: Channels = (),
    bands: Sequence[str] = (),
) -> None:
    """Write `folder`/images.npy, manifest.parquet, unreadable.json and ranges.json, and channels.json if channels
    are kept.

    images.npy: uint8 [n, height, width, 3]; uint16 [n, height, width, c] of the bands `channels`, if any are
    given. manifest.parquet: one row an image, in the order of `index`: row, path, label, class_name, split,
    width, height, mode, sha256 (of the bytes, and of the box that is cut out of them), the columns of
    `decoders.rgb.READ`, and group where any image has one. unreadable.json: the files left out, each with path
    and reason.
    ranges.json: the range of each kind of file (`decoders.ranges`) whose range the data set gives; one for each
    channel if channels are kept.
    channels.json: for each channel its band, from 1, and its name, out of `bands` if these are given; and three
    groups of channels, from 0, whose means people are shown, by `packing.channels` and `decoders.bands`.
    images: yields (row, bytes or array) of the wanted rows, in the order of the archives.
    scratch: a folder for the unfinished work, removed when all is written. InputError if no image
    at all could be decoded.
    """
    count = len(index.records)
    numbers = _every_band(images(range(count))) if channels == "all" else channels
    kept = _described(numbers, bands, packing)
    form = (count, *packing.shape, len(numbers) or 3), np.uint16 if numbers else np.uint8
    arrays, facts = open_unfinished(scratch, {"images.npy": form})

    ranges: dict[str, Any] = {}

    def work(row: Key, data: Data) -> Fact:
        box = index.records[int(row)].box
        try:
            fact, pixels = packed_image(data, packing, ranges, facts.get(row), box=box, channels=numbers)
        except UnreadableImageError as error:
            return {"reason": str(error)}
        if channels == "all" and fact.get("bands", len(numbers)) != len(numbers):
            return {"reason": f"it has {fact['bands']} bands, and the first file has {len(numbers)}"}
        if pixels is not None:
            arrays["images.npy"][row] = pixels
        return fact

    bar = tqdm(total=count, initial=len(facts), desc=title, unit="image", file=sys.stderr)

    def pass_over(rows: list[int]) -> None:
        fill(scratch, images(rows) if rows else (), work, list(arrays.values()), facts, bar, workers)

    pass_over([row for row in range(count) if row not in facts])
    told = [(record.split, facts[row]) for row, record in enumerate(index.records)]
    ranges |= channel_ranges_of(told) if numbers else ranges_of(told)
    waiting = [row for row in range(count) if "waiting" in facts[row]]
    bar.total = bar.n + len(waiting)
    pass_over(waiting)
    bar.close()
    arrays.clear()
    _write(index, facts, ranges, kept, scratch / "images.npy", folder)
    shutil.rmtree(scratch)


def _every_band(images: Iterator[tuple[int, Data]]) -> tuple[int, ...]:
    """The numbers of the bands of the first image that can be read; none if no image can."""
    with closing(images) as some:  # type: ignore[type-var]
        for _, data in some:
            try:
                return tuple(range(1, read(data).bands + 1))
            except UnreadableImageError:
                continue
    return ()


def _described(numbers: Sequence[int], bands: Sequence[str], packing: Packing) -> dict[str, Any]:
    """What stands in channels.json. InputError if people are to be shown a band that is not kept."""
    if absent := set(packing.channels) - set(numbers) if numbers else ():
        raise InputError(
            f"packing.channels, what people are shown, has band {min(absent)}, but channels are the bands "
            f"{list(numbers)}; name some of these"
        )
    channels = [
        {"band": number, "name": bands[number - 1] if number <= len(bands) else f"band {number}"}
        for number in numbers
    ]
    chosen = [numbers.index(number) for number in packing.channels or numbers] if numbers else []
    shown = [[chosen[place] for place in group] for group in groups(len(chosen))] if chosen else []
    return {"channels": channels, "shown": shown}


def _write(
    index: Index,
    facts: Mapping[Key, Fact],
    ranges: Mapping[str, Any],
    kept: Mapping[str, Any],
    images: Path,
    folder: Path,
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
        if kept["channels"]:
            write_json(partial / "channels.json", kept)
        # Last, since what is moved here is lost if anything after it fails.
        if unreadable:
            copy_rows(images, partial / "images.npy", readable)
        else:
            shutil.move(images, partial / "images.npy")
