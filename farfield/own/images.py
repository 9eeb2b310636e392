"""A user's folder of class folders, packed once and checked."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from farfield.datasets import class_folders as folders
from farfield.datasets import decoders, packing, reading
from farfield.datasets.cards import Packing
from farfield.datasets.class_folders import ClassFolders, class_folders
from farfield.datasets.layouts import read_images
from farfield.datasets.packed import load_images, load_manifest
from farfield.datasets.packing import pack
from farfield.errors import InputError
from farfield.files import file_hash, read_json
from farfield.local import scratch

SHOWN = 5  # files or classes named in one message


@dataclass(frozen=True)
class OwnImages:
    """images: uint8 [n, size, size, 3], memory-mapped. labels: [n]. left_out: {path: reason}. repeated: files
    whose bytes another file has too. fingerprint: of all files. folder: where it is packed. paths: of the
    images, relative to their folder. sizes: int [n, 2], width and height in their files, upright."""

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    left_out: dict[str, str]
    repeated: int
    fingerprint: str
    folder: Path
    paths: tuple[str, ...]
    sizes: np.ndarray

    def file(self, row: int) -> str:
        """Its path, without the folder of its class where that is its beginning."""
        return self.paths[row].removeprefix(f"{self.class_names[self.labels[row]]}/")

    @property
    def counts(self) -> dict[str, int]:
        counts = np.bincount(self.labels, minlength=len(self.class_names)).tolist()
        return dict(zip(self.class_names, counts, strict=True))


def own_images(data: Path, form: Packing, workers: int) -> OwnImages:
    """The packed images of `data`; decoded once, and found again while they stay the same."""
    found = class_folders(data)
    mark = folders.fingerprint(data, found.index)
    code = [file_hash(Path(str(module.__file__))) for module in (folders, packing, reading)]
    code += [file_hash(path) for path in sorted(Path(decoders.__path__[0]).rglob("*.py"))]
    key = hashlib.sha256(json.dumps([mark, asdict(form), code]).encode()).hexdigest()[:16]
    folder = scratch() / "own-images" / key
    if not (folder / "packed/images.npy").exists():
        _pack(data, found, form, folder, workers)
    manifest = load_manifest(folder / "packed")
    unreadable = {image["path"]: image["reason"] for image in read_json(folder / "packed/unreadable.json")}
    return OwnImages(
        load_images(folder / "packed"),
        manifest["label"].to_numpy(copy=True),
        found.index.class_names,
        found.left_out | unreadable,
        int(manifest["sha256"].duplicated(keep=False).sum()),
        mark,
        folder,
        tuple(manifest["path"]),
        manifest[["width", "height"]].to_numpy(),
    )


def _pack(data: Path, found: ClassFolders, form: Packing, folder: Path, workers: int) -> None:
    if not found.index.records:
        raise InputError(f"{data} holds no images in its class folders {named(found.index.class_names)}.")
    read = partial(read_images, data, found.index)
    pack(
        found.index,
        read,
        form,
        folder / "packed",
        folder / "unfinished",
        workers=workers,
        title="decoding your images",
    )


def remarks(own: OwnImages) -> list[str]:
    """What the reader of a result should know about the images, one sentence each."""
    said = []
    if own.left_out:
        files = [f"{path} ({reason})" for path, reason in sorted(own.left_out.items())]
        said.append(f"{counted(len(files), 'file is', 'files are')} left out: {named(files)}.")
    if own.repeated:
        said.append(
            f"{own.repeated} files have the same bytes as another. Where one of them is learned from and its "
            f"twin asked, accuracies are too high."
        )
    return said


def counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def named(things: list[str] | tuple[str, ...]) -> str:
    more = f" and {len(things) - SHOWN} more" if len(things) > SHOWN else ""
    return ", ".join(things[:SHOWN]) + more


@contextmanager
def temporary(folder: Path) -> Iterator[Path]:
    """An empty folder below `folder` that is gone afterwards."""
    import tempfile

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        yield Path(name)
