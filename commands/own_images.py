"""A user's folder of class folders, packed once and checked, for `commands.evaluate`."""

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
from farfield.episodes.sampling import Episodes, sample_episodes
from farfield.errors import InputError
from farfield.files import file_hash, read_json

SCRATCH = Path(".farfield/own-images")
SHOWN = 5  # files or classes named in one message


@dataclass(frozen=True)
class OwnImages:
    """images: uint8 [n, size, size, 3], memory-mapped. labels: [n]. left_out: {path: reason}. repeated:
    files whose bytes another file has too. fingerprint: of all files. folder: where it is packed."""

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    left_out: dict[str, str]
    repeated: int
    fingerprint: str
    folder: Path

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
    folder = SCRATCH / key
    if not (folder / "packed/images.npy").exists():
        _pack(data, found, form, folder, workers)
    manifest = load_manifest(folder / "packed")
    unreadable = {image["path"]: image["reason"] for image in read_json(folder / "packed/unreadable.json")}
    return OwnImages(
        load_images(folder / "packed"),
        manifest["label"].to_numpy(),
        found.index.class_names,
        found.left_out | unreadable,
        int(manifest["sha256"].duplicated(keep=False).sum()),
        mark,
        folder,
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


def draw(own: OwnImages, way: int, shot: int, query: int, episodes: int, seed: int) -> Episodes:
    """Episodes of up to `way` classes with up to `query` queries a class, all classes taking part.

    InputError if a class has not one image more than `shot`, naming every such class.
    """
    small = {name: count for name, count in own.counts.items() if count < shot + 1}
    if small:
        listing = named([f"{name} has {count}" for name, count in small.items()])
        lost = {path for path in own.left_out if path.split("/")[0] in small}
        more = f" Left out there: {named(sorted(lost))}." if lost else ""
        raise InputError(
            f"Every class needs {shot + 1} readable images or more: {shot} to learn from and one to ask. "
            f"{listing}.{more} Add images, take these folders out, or ask for fewer with SHOTS=."
        )
    return sample_episodes(
        own.labels,
        way=min(way, len(own.class_names)),
        shot=shot,
        query=min(query, min(own.counts.values()) - shot),
        episodes=episodes,
        seed=seed,
        name="own images",
        class_names=dict(enumerate(own.class_names)),
    )


def remarks(own: OwnImages, episodes: Episodes | None = None, query: int = 0) -> list[str]:
    """What the reader of a result should know about the images, and about episodes drawn from them with up to
    `query` queries a class; one sentence each."""
    said = []
    if own.left_out:
        files = [f"{path} ({reason})" for path, reason in sorted(own.left_out.items())]
        said.append(f"{len(files)} files are left out: {named(files)}.")
    if own.repeated:
        said.append(
            f"{own.repeated} files have the same bytes as another. Where one of them is learned from and its "
            f"twin asked, accuracies are too high."
        )
    queries = query if episodes is None else episodes.rows.shape[2] - episodes.shot
    if queries < query:
        smallest = min(own.counts, key=lambda name: own.counts[name])
        said.append(
            f"Episodes ask {queries} queries a class, not {query}: the smallest class, {smallest}, has "
            f"{own.counts[smallest]} images. Its images come again in most episodes, so the intervals, which "
            f"are about new episodes of the same images, understate what is uncertain."
        )
    return said


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
