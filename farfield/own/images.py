"""A user's labelled images, in whatever form the labels come, packed once and checked."""

import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock
from PIL import Image

from farfield.datasets import class_folders as folders
from farfield.datasets import decoders, packing, reading
from farfield.datasets.cards import Channels, Packing
from farfield.datasets.channels import Kept, load_channels, pictures
from farfield.datasets.decoders.ranges import Range
from farfield.datasets.layouts import read_images
from farfield.datasets.layouts.forms import Labelled, labelled_images
from farfield.datasets.odd_pictures import remarks_on_odd, with_oddities
from farfield.datasets.packed import load_images, load_manifest, load_ranges
from farfield.datasets.packing import pack
from farfield.datasets.remarks import remarks_on
from farfield.datasets.twins import contradictions
from farfield.errors import InputError, first_few
from farfield.files import file_hash, read_json, write_json
from farfield.local import SCRATCH
from farfield.stamps import stamps_of

if TYPE_CHECKING:
    import pandas as pd

SUMS = "sums.json"  # of the packed files
SEEN = "seen.json"  # their stamps when they were found to have these sums
STATED = "stated"  # where all files state one range, in the place of their kind
MIXED = " bands, shown as "  # as `decoders.bands` says it


@dataclass(frozen=True)
class OwnImages:
    """images: uint8 [n, size, size, 3], or uint16 [n, size, size, c] of the bands with the numbers `bands`,
    memory-mapped. labels: [n]. left_out: {path: reason}. repeated: files whose bytes another file has too.
    mislabelled: the same picture under several classes, "path (class) and path (class)". fingerprint: of all
    files. folder: where it is packed. ranges: of its kinds of files, as in `decoders.ranges`. band_ranges:
    those of each of the bands. kept: what people see of bands; none: these are pictures. shown: what was done
    to the files and which went wrong, one line a kind. splits, groups: [n], "all" and "" where nothing is said.
    found: remarks on the form of the labels. paths: of the images, relative to their folder. sizes: int [n, 2],
    width and height in their files, upright."""

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    left_out: dict[str, str]
    repeated: int
    mislabelled: tuple[str, ...]
    fingerprint: str
    folder: Path
    ranges: dict[str, tuple[float, float]]
    band_ranges: dict[str, tuple[tuple[float, float], ...]]
    bands: tuple[int, ...]
    kept: Kept | None
    shown: tuple[str, ...]
    splits: np.ndarray
    groups: np.ndarray
    found: tuple[str, ...]
    paths: tuple[str, ...]
    sizes: np.ndarray

    def file(self, row: int) -> str:
        """Its path, without the folder of its class where that is its beginning."""
        return self.paths[row].removeprefix(f"{self.class_names[self.labels[row]]}/")

    def picture(self, row: int) -> Image.Image:
        """The packed image as people see it."""
        return Image.fromarray(pictures(np.asarray(self.images[row]), self.kept))

    @property
    def counts(self) -> dict[str, int]:
        counts = np.bincount(self.labels, minlength=len(self.class_names)).tolist()
        return dict(zip(self.class_names, counts, strict=True))


def own_images(data: Path, form: Packing, workers: int, bands: Channels = ()) -> OwnImages:
    """The packed images of `data`; decoded once, and found again while they stay the same.

    bands: numbers of those of the files that are kept as they are; none: pictures in RGB.
    """
    found = labelled_images(data)
    mark = folders.fingerprint(found.root, found.index)
    code = [file_hash(Path(str(module.__file__))) for module in (folders, packing, reading)]
    code += [file_hash(path) for path in sorted(Path(decoders.__path__[0]).rglob("*.py"))]
    key = hashlib.sha256(json.dumps([mark, asdict(form), bands, code]).encode()).hexdigest()[:16]
    folder = SCRATCH / "own-images" / key
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):  # a second run of the same images waits, and finds them packed
        if not _whole(folder):
            _pack(data, found, form, bands, folder, workers)
            if folders.fingerprint(found.root, found.index) != mark:
                raise InputError(
                    f"{data} changed while it was read; run this again when nothing writes to it."
                )
            write_json(folder / SUMS, _sums(folder))
            write_json(folder / SEEN, _seen(folder))
    manifest = load_manifest(folder / "packed")
    unreadable = {image["path"]: image["reason"] for image in read_json(folder / "packed/unreadable.json")}
    kept = load_channels(folder / "packed")
    numbers, band_ranges = _bands(folder / "packed", manifest) if kept else ((), {})
    images, labels = load_images(folder / "packed"), manifest["label"].to_numpy(copy=True)
    return OwnImages(
        images,
        labels,
        found.index.class_names,
        found.left_out | unreadable,
        int(manifest["sha256"].duplicated(keep=False).sum()),
        tuple(" and ".join(group) for group in contradictions(manifest, images)),
        mark,
        folder,
        {} if kept else load_ranges(folder / "packed"),
        band_ranges,
        numbers,
        kept,
        (*remarks_on(manifest), *remarks_on_odd(with_oddities(manifest, images, labels))),
        manifest["split"].to_numpy(),
        manifest.get("group", manifest["split"].map(lambda _: "")).to_numpy(),
        found.remarks,
        tuple(manifest["path"]),
        manifest[["width", "height"]].to_numpy(),
    )


def _whole(folder: Path) -> bool:
    """Whether the packed copy is there with the bytes that were written; a damaged one is decoded anew.

    It is read when one of its files has changed since it was last found whole.
    """
    if not (folder / SUMS).exists():
        return False
    try:
        seen = _seen(folder)
        if (folder / SEEN).exists() and read_json(folder / SEEN) == seen:
            return True
        if read_json(folder / SUMS) == _sums(folder):
            write_json(folder / SEEN, seen)
            return True
    except (OSError, ValueError):  # of files that are gone, and of sums that were damaged themselves
        pass
    print(f"{folder} was damaged on disk; the images are decoded anew", file=sys.stderr)
    return False


def _sums(folder: Path) -> list[Any]:
    """Whose they are, too: the copy of other images has good sums of its own."""
    return [folder.name, {path.name: file_hash(path) for path in sorted((folder / "packed").iterdir())}]


def _seen(folder: Path) -> list[Any]:
    return [folder.name, stamps_of(folder / "packed")]


def _bands(packed: Path, manifest: "pd.DataFrame") -> tuple[tuple[int, ...], dict[str, tuple[Range, ...]]]:
    """The numbers of the bands that are kept, and the range of each by kind of file."""
    numbers = tuple(channel["band"] for channel in read_json(packed / "channels.json")["channels"])
    spans = read_json(packed / "ranges.json")
    said = {kind: tuple((low, high) for low, high in channels) for kind, channels in spans.items()}
    stated = manifest[["low", "high"]].drop_duplicates()
    if not said and len(stated) == 1:
        said[STATED] = ((float(stated["low"].iloc[0]), float(stated["high"].iloc[0])),) * len(numbers)
    return numbers, said


def _pack(data: Path, found: Labelled, form: Packing, bands: Channels, folder: Path, workers: int) -> None:
    if not found.index.records:
        raise InputError(f"{data} holds no images of its classes {first_few(found.index.class_names)}.")
    read = partial(read_images, found.root, found.index)
    pack(
        found.index,
        read,
        form,
        folder / "packed",
        folder / "unfinished",
        workers=workers,
        title="decoding your images",
        channels=bands,
    )


def remarks(own: OwnImages) -> list[str]:
    """What the reader of a result should know about the images, one sentence each."""
    said = [*own.found]
    if own.left_out:
        files = [f"{path} ({reason})" for path, reason in sorted(own.left_out.items())]
        said.append(f"{counted(len(files), 'file is', 'files are')} left out: {first_few(files)}.")
    said += [f"{line}." for line in own.shown]
    if own.bands:
        said.append(used_bands(own.bands))
    elif any(MIXED in line for line in own.shown):
        said.append("Bands were averaged to three; --bands says which are used as they are, or all.")
    if own.mislabelled:
        said.append(
            f"The same picture stands under several classes, so one of its labels is wrong: "
            f"{first_few(list(own.mislabelled), '; ')}."
        )
    if own.repeated:
        said.append(
            f"{own.repeated} files have the same bytes as another. Where one of them is learned from and its "
            f"twin asked, accuracies are too high."
        )
    return said


def used_bands(bands: tuple[int, ...]) -> str:
    if len(bands) == 1:
        return f"Of each file band {bands[0]} is used, in its own range."
    together = ", three at a time, as the network has three channels" if len(bands) > 3 else ""
    return f"Of each file bands {', '.join(map(str, bands))} are used, each in its own range{together}."


def counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


@contextmanager
def temporary(folder: Path) -> Iterator[Path]:
    """An empty folder below `folder` that is gone afterwards."""
    import tempfile

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        yield Path(name)
