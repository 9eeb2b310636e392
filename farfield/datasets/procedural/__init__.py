"""Embedded image domains, drawn on demand: the whole few-shot study without any download.

`objects` is a source domain of coloured things in natural scenes; `leaves`, `terrain`, `lesions` and
`radiographs` leave it step by step as the targets of BSCD-FSL leave miniImageNet (Guo et al., "A
Broader Study of Cross-Domain Few-Shot Learning", ECCV 2020): first the perspective goes, then the
natural content, then the colour. `documents` stands in for the scanned pages of RVL-CDIP, and
`textures` and `symbols` are further source domains, for ensembles. All of them are a working default
and a test bed, not a benchmark. Scenes with a target for every pixel are in `scenes`.
"""

import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from farfield.datasets.procedural import (
    documents,
    leaves,
    lesions,
    objects,
    radiographs,
    symbols,
    terrain,
    textures,
)
from farfield.datasets.procedural.files import SUFFIX, Form, encoded
from farfield.datasets.procedural.scenes import SCENES, SceneRecipe, write_scenes
from farfield.errors import InputError
from farfield.files import atomic_file
from farfield.seeds import stream

EARLIEST = (1980, 1, 1, 0, 0, 0)  # the first time stamp that a zip can hold


@dataclass(frozen=True)
class Domain:
    """What a domain offers: pictures `draw(rng, class, size, seed)`, `name(class, seed)`, class count."""

    draw: Callable[[np.random.Generator, int, int, int], np.ndarray]
    name: Callable[[int, int], str]
    classes: int


DOMAINS = {
    "objects": Domain(objects.draw, objects.name, len(objects.BODIES) * len(objects.PATTERNS)),
    "leaves": Domain(leaves.draw, leaves.name, len(leaves.CLASSES)),
    "terrain": Domain(terrain.draw, terrain.name, len(terrain.CLASSES)),
    "lesions": Domain(lesions.draw, lesions.name, len(lesions.CLASSES)),
    "radiographs": Domain(radiographs.draw, radiographs.name, len(radiographs.CLASSES)),
    "documents": Domain(documents.draw, documents.name, len(documents.CLASSES)),
    "textures": Domain(textures.draw, textures.name, len(textures.CLASSES)),
    "symbols": Domain(symbols.draw, symbols.name, len(symbols.CLASSES)),
}


@dataclass(frozen=True)
class Recipe:
    """How much of which domain: the `generator` section of a dataset card.

    `images` are counted in each class, `size` is the side in pixels. `splits` gives the number of
    classes of each split, in order (`{train: 48, val: 8, test: 8}`); empty means no splits. `form` is what the
    pictures are written as, see `files`. Raises InputError that names the key.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012
    domain: str
    classes: int
    images: int
    size: int
    splits: dict[str, int] = field(default_factory=dict)
    form: Form = "png"

    def __post_init__(self) -> None:
        if self.domain not in DOMAINS:
            raise InputError(
                f"generator.domain is {self.domain!r}; choose one of {', '.join([*DOMAINS, *SCENES])}."
            )
        if self.form not in SUFFIX:
            raise InputError(f"generator.form is {self.form!r}; choose one of {', '.join(SUFFIX)}.")
        counts = {"classes": self.classes, "images": self.images, "size": self.size}
        counts |= {f"splits.{split}": count for split, count in self.splits.items()}
        for key, count in counts.items():
            if isinstance(count, bool) or not isinstance(count, int) or count < 1:
                raise InputError(f"generator.{key} is {count!r}; it must be a whole number of at least 1.")
        most = DOMAINS[self.domain].classes
        if self.classes > most:
            raise InputError(
                f"generator.classes is {self.classes}, but the domain {self.domain!r} has only {most} "
                f"classes; ask for at most {most}."
            )
        if self.splits and sum(self.splits.values()) != self.classes:
            raise InputError(
                f"generator.splits add up to {sum(self.splits.values())} classes, but generator.classes is "
                f"{self.classes}; make them equal."
            )

    @classmethod
    def from_section(cls, section: Mapping[str, Any]) -> "Recipe":
        """The recipe in the `generator` section of a card; unknown and missing keys raise InputError."""
        known = {entry.name for entry in fields(cls)}
        unknown, missing = sorted(set(section) - known), sorted(known - {"splits", "form"} - set(section))
        if unknown or missing:
            raise InputError(
                f"generator has unknown keys {unknown} and lacks {missing}; it takes domain, classes, "
                f"images, size and, if classes are split, splits; and form, if not PNG."
            )
        return cls(**section)


def draw(domain: str, label: int, number: int, size: int, seed: int) -> np.ndarray:
    """Image `number` of class `label`: uint8 [size, size, 3], or [size, size] in a grey domain.

    It depends on nothing but the arguments, so any part of a dataset equals that part of the whole.
    """
    return DOMAINS[domain].draw(stream(seed, domain, label, number), label, size, seed)


def render(recipe: Recipe, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Path and pixels of every image: by class, then by number.

    Paths are `class/0007.png`, or `split/class/0007.png` if the recipe has splits; with the ending of its form.
    """
    ends = list(accumulate(recipe.splits.values()))
    for label in range(recipe.classes):
        split = next((name for name, end in zip(recipe.splits, ends, strict=True) if label < end), None)
        name = DOMAINS[recipe.domain].name(label, seed)
        folder = f"{split}/{name}" if split else name
        for number in range(recipe.images):
            path = f"{folder}/{number:04d}{SUFFIX[recipe.form]}"
            yield path, draw(recipe.domain, label, number, recipe.size, seed)


def write_generated(section: Mapping[str, Any], seed: int, destination: Path) -> None:
    """Write the archive of what the `generator` section of a card asks for; the same bytes at every run."""
    if section.get("domain") in SCENES:
        write_scenes(SceneRecipe.from_section(section), seed, destination)
    else:
        write_zip(Recipe.from_section(section), seed, destination)


def write_zip(recipe: Recipe, seed: int, destination: Path) -> None:
    """Write the images into a stored zip in the `folder` layout; the same bytes at every run."""
    with (
        atomic_file(destination) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive,
    ):
        for path, pixels in render(recipe, seed):
            entry = zipfile.ZipInfo(path, EARLIEST)
            entry.create_system = 3  # Unix, whatever wrote it
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, encoded(pixels, recipe.form, path))
