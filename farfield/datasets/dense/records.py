"""Which points a dense dataset has: an image each, and a file of targets for each task."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from farfield.errors import InputError

if TYPE_CHECKING:
    from farfield.datasets.sources import Source

TASKS = ("segmentation", "normals", "depth", "keypoints", "edges")
VOID = -1  # the label of pixels that no class claims

# read(bytes of a file, or an array out of one): the target of one image at its own size, in the form in
# which it is packed. UnreadableImageError if the content is no such target.
ReadTarget = Callable[[bytes | np.ndarray], np.ndarray]
# derive(labels [height, width] of a packed point): the target of another task.
Derive = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Point:
    """One image with its targets by task.

    path: what it is called everywhere else, unique in the dataset. masks: files that are 0 where the
    target of a task is not known. missing: says what the archives lack of this point, which is then left
    out; empty if they lack nothing.
    """

    path: str
    split: str
    image: "Source"
    targets: "Mapping[str, Source]"
    masks: "Mapping[str, Source]" = field(default_factory=dict)
    missing: str = ""


@dataclass(frozen=True)
class DenseIndex:
    """All points of a dataset in the order of its rows, and how their files are read.

    readers: of each task that comes in files. derived: of each task that is computed from the labels.
    span: the values of black and white in the images, where their files do not say.
    """

    points: tuple[Point, ...]
    class_names: tuple[str, ...]
    readers: Mapping[str, ReadTarget]
    derived: Mapping[str, Derive] = field(default_factory=dict)
    span: tuple[float, float] | None = None

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(task for task in TASKS if task in self.readers or task in self.derived)


def require_points(raw: Path, points: Sequence[Point]) -> tuple[Point, ...]:
    """The points; InputError if there is none or a path comes twice."""
    if not points:
        raise InputError(
            f"{raw}: no image was found; check that the archives are complete and that the card's layout and "
            f"options fit them."
        )
    path, count = Counter(point.path for point in points).most_common(1)[0]
    if count > 1:
        raise InputError(f"{raw}: the image {path} is listed {count} times; each may have one split.")
    return tuple(points)


def missing_of(place: str, wanted: Mapping[str, str], there: Mapping[str, object]) -> str:
    """What is missing of a point: `wanted` are its files by what they hold, `there` the files of `place`."""
    absent = [f"{what} {name}" for what, name in wanted.items() if name not in there]
    return f"{place} lacks its {' and its '.join(absent)}" if absent else ""
