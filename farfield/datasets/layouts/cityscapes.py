"""Cityscapes as published: zips of street scenes, of label maps and of disparities.

Segmentation has the 19 evaluated classes, or their 7 categories. Depth is inverse depth, as all
multi-task papers take it: disparity / 65535 of the 16-bit file, whose 0 is unknown. The official test
images have no public labels; the 500 of val are the test, as in AdaShare and MTAN.
"""

from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from farfield.datasets.dense.records import (
    VOID,
    DenseIndex,
    Point,
    ReadTarget,
    missing_of,
    require_points,
)
from farfield.datasets.dense.targets import labels, positive
from farfield.datasets.layouts.benchmarks import CITYSCAPES_CATEGORIES, CITYSCAPES_CLASSES, CITYSCAPES_SPLITS
from farfield.datasets.layouts.contents import Contents, contents_of
from farfield.datasets.layouts.options import require_choice, take_options
from farfield.datasets.sources import Source

LAST_ID = 33
FILES = {  # folder of each kind, and the end of its file names
    "image": ("leftImg8bit", "_leftImg8bit.png"),
    "segmentation": ("gtFine", "_gtFine_labelIds.png"),
    "depth": ("disparity", "_disparity.png"),
}


def cityscapes(raw: Path, options: dict[str, Any]) -> DenseIndex:
    """Rows by split, city and frame. Option `classes`: "19" (the default) or "7", the categories."""
    taken = take_options("cityscapes", options, classes="19")
    names, table = class_table(require_choice("cityscapes", "classes", taken["classes"], ("19", "7")))
    files = _files(contents_of(raw))
    frames = sorted(
        {frame for kind, frame in files if kind == "image"},
        key=lambda f: (list(CITYSCAPES_SPLITS).index(f.split("/")[0]), f),
    )
    points = []
    for frame in frames:
        wanted = {kind: (kind, frame) for kind in FILES}
        missing = missing_of(
            str(raw),
            {kind: f"{FILES[kind][0]}/{frame}{FILES[kind][1]}" for kind in FILES},
            {f"{FILES[kind][0]}/{frame}{FILES[kind][1]}": 0 for kind in FILES if (kind, frame) in files},
        )
        sources = {kind: files.get(key, Source("", "")) for kind, key in wanted.items()}
        image = sources.pop("image")
        points.append(
            Point(image.member, CITYSCAPES_SPLITS[frame.split("/")[0]], image, sources, missing=missing)
        )
    readers: dict[str, ReadTarget] = {
        "segmentation": partial(labels, table=table),
        "depth": partial(positive, scale=1 / 65535),
    }
    return DenseIndex(require_points(raw, points), names, readers)


def class_table(classes: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The names of the classes, and the label of every id from 0 to 33."""
    names = tuple(CITYSCAPES_CLASSES) if classes == "19" else CITYSCAPES_CATEGORIES
    label = {
        number: names.index(name if classes == "19" else category)
        for name, (number, category) in CITYSCAPES_CLASSES.items()
    }
    return names, tuple(label.get(number, VOID) for number in range(LAST_ID + 1))


def _files(contents: Contents) -> dict[tuple[str, str], Source]:
    """The files by kind and frame (`train/aachen/aachen_000000_000019`), of the splits that are used."""
    found = {}
    for archive, members in contents.items():
        for member in members:
            parts = PurePosixPath(member.name).parts
            for kind, (folder, end) in FILES.items():
                if (
                    len(parts) >= 4
                    and parts[-4] == folder
                    and parts[-3] in CITYSCAPES_SPLITS
                    and member.name.endswith(end)
                ):
                    found[kind, "/".join(parts[-3:]).removesuffix(end)] = Source(archive, member.name)
    return found
