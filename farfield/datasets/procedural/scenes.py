"""Embedded scenes with dense targets, written as one zip in the form of the prepared NYU Depth v2."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from farfield.datasets.procedural import rooms
from farfield.errors import InputError
from farfield.files import atomic_file
from farfield.seeds import stream

EARLIEST = (1980, 1, 1, 0, 0, 0)  # the first time stamp that a zip can hold
SCENES: dict[str, Callable[[np.random.Generator, int], rooms.Scene]] = {"rooms": rooms.draw}
FOLDERS = {  # of each kind, and the ends of its file names
    "img": ".png", "seg": ".png", "normal_mask": ".png", "depth": ".npy", "keypoint": ".png", "edge": ".png",
}  # fmt: skip
SMALLEST = 8  # pixels


@dataclass(frozen=True)
class SceneRecipe:
    """How many scenes: the `generator` section of a dataset card.

    `images` are counted over all splits, of which `splits` gives the number of images of each
    (`{train: 500, test: 100}`); the prepared form has just these two. `size` is the side in pixels. Raises
    InputError that names the key.
    """

    domain: str
    images: int
    size: int
    splits: dict[str, int]

    def __post_init__(self) -> None:
        counts = {"images": (self.images, 1), "size": (self.size, SMALLEST)}
        counts |= {f"splits.{split}": (count, 1) for split, count in self.splits.items()}
        for key, (count, least) in counts.items():
            if isinstance(count, bool) or not isinstance(count, int) or count < least:
                raise InputError(
                    f"generator.{key} is {count!r}; it must be a whole number of at least {least}."
                )
        if list(self.splits) != ["train", "test"]:
            raise InputError(
                f"generator.splits has {list(self.splits)}; scenes are split into train and test."
            )
        if sum(self.splits.values()) != self.images:
            raise InputError(
                f"generator.splits add up to {sum(self.splits.values())} images, but generator.images is "
                f"{self.images}; make them equal."
            )

    @classmethod
    def from_section(cls, section: Mapping[str, Any]) -> "SceneRecipe":
        """The recipe in the `generator` section of a card; unknown and missing keys raise InputError."""
        known = {entry.name for entry in fields(cls)}
        unknown, missing = sorted(set(section) - known), sorted(known - set(section))
        if unknown or missing:
            raise InputError(
                f"generator has unknown keys {unknown} and lacks {missing}; for {section.get('domain')} it takes "
                f"domain, images, size and splits, which count images."
            )
        return cls(**section)


def render_scenes(recipe: SceneRecipe, seed: int) -> Iterator[tuple[str, rooms.Scene]]:
    """Number and scene of every point; it depends on the seed, its split and place there, and the size alone."""
    first = 0
    for split, count in recipe.splits.items():
        for number in range(count):
            rng = stream(seed, recipe.domain, split, number)
            yield f"{first + number:04d}", SCENES[recipe.domain](rng, recipe.size)
        first += count


def write_scenes(recipe: SceneRecipe, seed: int, destination: Path) -> None:
    """Write the scenes into a stored zip; the same bytes at every run."""
    numbers: list[str] = []
    with (
        atomic_file(destination) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive,
    ):
        for number, scene in render_scenes(recipe, seed):
            numbers.append(number)
            kinds = (
                scene.image,
                scene.segmentation,
                scene.normals,
                scene.depth,
                scene.keypoints,
                scene.edges,
            )
            for (folder, end), values in zip(FOLDERS.items(), kinds, strict=True):
                _add(
                    archive,
                    f"{recipe.domain}/{folder}/{number}{end}",
                    _npy(values) if end == ".npy" else _png(values),
                )
        entries = [[f"{folder}/{number}{end}" for folder, end in FOLDERS.items()] for number in numbers]
        train = recipe.splits["train"]
        index = {"train": entries[:train], "test": entries[train:]}
        _add(archive, f"{recipe.domain}/{recipe.domain}.json", json.dumps(index, indent=1).encode())
        _add(archive, f"{recipe.domain}/classes.txt", "\n".join(rooms.CLASSES).encode())


def _png(values: np.ndarray) -> bytes:
    """8-bit values as they are; values from -1 to 1 as 16 bits."""
    from PIL import Image

    if values.dtype == np.float32:
        values = np.rint((values + 1) * np.float32(32768)).clip(0, 65535).astype(np.uint16)
    data = io.BytesIO()
    Image.fromarray(values).save(data, "PNG")
    return data.getvalue()


def _npy(values: np.ndarray) -> bytes:
    data = io.BytesIO()
    np.save(data, values)
    return data.getvalue()


def _add(archive: zipfile.ZipFile, path: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(path, EARLIEST)
    entry.create_system = 3  # Unix, whatever wrote it
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, data)
