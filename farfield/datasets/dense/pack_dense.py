"""Pack a dense dataset: images and targets of all tasks, row by row, into one array a kind.

Files are read kind by kind in the order of the archives, so that a tar is passed through once a kind.
Unfinished work continues as in `datasets.packing`.
"""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import DTypeLike
from tqdm import tqdm

from farfield.datasets.cards import Packing
from farfield.datasets.decoders import UnreadableImageError
from farfield.datasets.decoders.ranges import Range, ranges_of
from farfield.datasets.decoders.rgb import read_columns
from farfield.datasets.dense import targets
from farfield.datasets.dense.records import DenseIndex
from farfield.datasets.first_look import packed_image
from farfield.datasets.reading import read_sources
from farfield.datasets.sources import Data, Source
from farfield.datasets.unfinished import Fact, Key, copy_rows, fill, open_unfinished, row_of
from farfield.errors import InputError
from farfield.files import atomic_folder, write_json

if TYPE_CHECKING:
    import pandas as pd

Arrays = dict[str, np.memmap]


def pack_dense(
    index: DenseIndex, raw: Path, packing: Packing, folder: Path, scratch: Path, *, workers: int, title: str
) -> None:
    """Write `folder`/images.npy, <task>.npy of each task, manifest.parquet, classes.json, unreadable.json and
    ranges.json, the last as in `packing.pack`.

    images.npy: uint8 [n, h, w, 3]; targets as in `dense.targets`, at the same size by nearest values.
    manifest.parquet: one row a point: row, path, split, width, height, mode, sha256 (of the image file, or
    of the image as an array), the columns of `decoders.rgb.READ`, valid_<task> (share of known pixels),
    least_<task> and most_<task> (values of known pixels, NaN if there is none), classes (labels in the image).
    unreadable.json: points left out, each with path and reason: something is missing, damaged, of another size
    than its image, or a label is outside the classes. scratch: as in `packing.pack`. InputError if no point
    is left.
    """
    forms = _forms(index, packing)
    arrays, facts = open_unfinished(scratch, forms)
    whole = {row for row, point in enumerate(index.points) if not point.missing}
    kinds = [
        "image",
        *index.readers,
        *dict.fromkeys(f"mask {t}" for row in whole for t in index.points[row].masks),
    ]
    wanted = {kind: {row: s for row in whole if (s := _source(index, kind, row))} for kind in kinds}
    bar = tqdm(
        total=sum(map(len, wanted.values())), initial=len(facts), desc=title, unit="file", file=sys.stderr
    )
    ranges: dict[str, Range] = {}

    def pass_over(kind: str, todo: dict[int, Source]) -> None:
        files = ((f"{kind} {row}", data) for row, data in read_sources(raw, todo))
        worker = _Worker(index, packing, arrays, kind, facts, ranges)
        fill(scratch, files, worker, worker.written(), facts, bar, workers)

    for kind in kinds:
        pass_over(kind, {row: s for row, s in wanted[kind].items() if f"{kind} {row}" not in facts})
        if kind == "image":
            seen = ((index.points[row].split, facts[f"image {row}"]) for row in wanted["image"])
            ranges |= ranges_of(seen)
            waiting = {row: s for row, s in wanted[kind].items() if "waiting" in facts[f"image {row}"]}
            if waiting:
                pass_over(kind, waiting)
    bar.close()
    arrays.clear()
    _write(index, facts, kinds, ranges, scratch, list(forms), folder)
    shutil.rmtree(scratch)


def _forms(index: DenseIndex, packing: Packing) -> dict[str, tuple[tuple[int, ...], DTypeLike]]:
    shape = (len(index.points), *packing.shape)
    forms: dict[str, tuple[tuple[int, ...], DTypeLike]] = {"images.npy": ((*shape, 3), np.uint8)}
    for task in index.tasks:
        forms[f"{task}.npy"] = (*shape, 3) if task == "normals" else shape, targets.DTYPES[task]
    return forms


def _source(index: DenseIndex, kind: str, row: int) -> Source | None:
    point = index.points[row]
    if kind == "image":
        return point.image
    return point.masks.get(kind.removeprefix("mask ")) if kind.startswith("mask ") else point.targets[kind]


class _Worker:
    """Decodes the files of one kind into their rows; what it says of each goes to the journal."""

    def __init__(
        self,
        index: DenseIndex,
        packing: Packing,
        arrays: Arrays,
        kind: str,
        facts: Mapping[Key, Fact],
        ranges: Mapping[str, Range],
    ) -> None:
        self.index, self.packing, self.arrays, self.kind = index, packing, arrays, kind
        self.facts, self.ranges = facts, ranges

    def written(self) -> list[np.memmap]:
        names = {"image": ["images"], "segmentation": ["segmentation", *self.index.derived]}
        return [
            self.arrays[f"{name}.npy"] for name in names.get(self.kind, [self.kind.removeprefix("mask ")])
        ]

    def __call__(self, key: Key, data: Data) -> Fact:
        row = row_of(key)
        try:
            if self.kind == "image":
                return self._image(row, data)
            return self._mask(row, data) if self.kind.startswith("mask ") else self._target(row, data)
        except UnreadableImageError as error:
            return {"reason": str(error)}

    def _image(self, row: int, data: Data) -> Fact:
        before = self.facts.get(f"image {row}")
        fact, pixels = packed_image(data, self.packing, self.ranges, before, span=self.index.span)
        if pixels is None:
            return fact
        self.arrays["images.npy"][row] = pixels
        return {**fact, "size": [fact["width"], fact["height"]]}

    def _target(self, row: int, data: Data) -> Fact:
        whole = self.index.readers[self.kind](data)
        target = targets.resized(whole, self.packing.shape)
        fact: Fact = {"size": [whole.shape[1], whole.shape[0]], **targets.facts(self.kind, target)}
        if self.kind == "segmentation":
            most, last = int(whole.max(initial=-1)), len(self.index.class_names) - 1
            if most > last:
                raise UnreadableImageError(f"label {most} is outside the classes, which are 0 to {last}")
            fact["classes"] = [int(label) for label in np.unique(target) if label >= 0]
            for task, derive in self.index.derived.items():
                derived = derive(target)
                self.arrays[f"{task}.npy"][row] = derived
                fact[task] = targets.facts(task, derived)
        self.arrays[f"{self.kind}.npy"][row] = target
        return fact

    def _mask(self, row: int, data: Data) -> Fact:
        task, whole = self.kind.removeprefix("mask "), targets.plane(data)
        mask, array = targets.resized(whole, self.packing.shape), self.arrays[f"{self.kind[5:]}.npy"]
        array[row][mask == 0] = targets.UNKNOWN[task]
        return {"size": [whole.shape[1], whole.shape[0]], **targets.facts(task, array[row])}


def _reason(index: DenseIndex, facts: Mapping[Key, Fact], kinds: list[str], row: int) -> str:
    """Why a point is left out; empty if it is not."""
    if missing := index.points[row].missing:
        return missing
    found = {kind: facts[key] for kind in kinds if (key := f"{kind} {row}") in facts}
    for kind, fact in found.items():
        if "reason" in fact:
            return f"{kind}: {fact['reason']}"
    for kind, fact in found.items():
        if fact["size"] != found["image"]["size"]:
            width, height = fact["size"]
            image = " x ".join(map(str, found["image"]["size"]))
            return f"{kind}: it is {width} x {height} pixels large, but its image is {image}"
    return ""


def _write(
    index: DenseIndex,
    facts: Mapping[Key, Fact],
    kinds: list[str],
    ranges: Mapping[str, Range],
    scratch: Path,
    names: list[str],
    folder: Path,
) -> None:
    count = len(index.points)
    reasons = [_reason(index, facts, kinds, row) for row in range(count)]
    kept = [row for row in range(count) if not reasons[row]]
    left_out = [
        {"path": point.path, "reason": reason}
        for point, reason in zip(index.points, reasons, strict=True)
        if reason
    ]
    if not kept:
        raise InputError(
            f"none of the {count} points can be used (the first: {left_out[0]['path']}: "
            f"{left_out[0]['reason']}); check that the archives are complete and that the card's layout and "
            f"options fit them."
        )
    with atomic_folder(folder) as partial:
        _manifest(index, facts, kept).to_parquet(partial / "manifest.parquet", index=False)
        write_json(partial / "classes.json", list(index.class_names))
        write_json(partial / "unreadable.json", left_out)
        write_json(partial / "ranges.json", ranges)
        # Last, since what is moved here is lost if anything after it fails.
        for name in names:
            if left_out:
                copy_rows(scratch / name, partial / name, kept)
            else:
                shutil.move(scratch / name, partial / name)


def _manifest(index: DenseIndex, facts: Mapping[Key, Fact], kept: list[int]) -> "pd.DataFrame":
    import pandas as pd

    points = [index.points[row] for row in kept]
    images = [facts[f"image {row}"] for row in kept]
    columns = {
        "row": np.arange(len(kept), dtype=np.int32),
        "path": [point.path for point in points],
        "split": [point.split for point in points],
        "width": np.array([image["size"][0] for image in images], dtype=np.int32),
        "height": np.array([image["size"][1] for image in images], dtype=np.int32),
        "mode": [image["mode"] for image in images],
        "sha256": [image["sha256"] for image in images],
        **read_columns(images),
    }
    for task in index.tasks:
        told = [_told(index, facts, task, row) for row in kept]
        for name in ("valid", "least", "most"):
            columns[f"{name}_{task}"] = np.array([fact.get(name, np.nan) for fact in told], dtype=np.float64)
    if "segmentation" in index.readers:
        columns["classes"] = [facts[f"segmentation {row}"]["classes"] for row in kept]
    return pd.DataFrame(columns)


def _told(index: DenseIndex, facts: Mapping[Key, Fact], task: str, row: int) -> Fact:
    if task in index.derived:
        return facts[f"segmentation {row}"][task]
    return facts.get(f"mask {task} {row}", facts[f"{task} {row}"])
