"""Cityscapes as MTAN published it: an npy file of each kind for each image, numbered from 0.

Its images are resized, its numbers have no known relation to the official names, and its script is lost,
so it is a dataset of its own beside the official archives.
"""

from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from farfield.datasets.dense.records import DenseIndex, Point, ReadTarget, missing_of, require_points
from farfield.datasets.dense.targets import labels, positive
from farfield.datasets.layouts.benchmarks import CITYSCAPES_CATEGORIES, CITYSCAPES_CLASSES, CITYSCAPES_SPLITS
from farfield.datasets.layouts.contents import contents_of
from farfield.datasets.layouts.options import require_choice, take_options
from farfield.datasets.sources import Source


def cityscapes_npy(raw: Path, options: dict[str, Any]) -> DenseIndex:
    """Rows by split and number: `{train,val}/{image,depth,label_<classes>}/<number>.npy`.

    Option `classes`: "19" (the default) or "7". Images have numbers from 0 to 1, labels -1 for void; depth is
    disparity / 65535, 0 is unknown.
    """
    classes = take_options("cityscapes_npy", options, classes="19")["classes"]
    require_choice("cityscapes_npy", "classes", classes, ("19", "7"))
    folders = {"image": "image", "segmentation": f"label_{classes}", "depth": "depth"}
    files: dict[str, Source] = {}
    for archive, members in contents_of(raw).items():
        for member in members:
            parts = PurePosixPath(member.name).parts
            if len(parts) >= 3 and parts[-3] in CITYSCAPES_SPLITS and member.name.endswith(".npy"):
                files["/".join(parts[-3:])] = Source(archive, member.name)
    points = []
    for split, called in CITYSCAPES_SPLITS.items():
        stems = {PurePosixPath(name).stem for name in files if name.startswith(f"{split}/image/")}
        for stem in sorted(stems, key=lambda stem: (len(stem), stem)):
            wanted = {kind: f"{split}/{folder}/{stem}.npy" for kind, folder in folders.items()}
            sources = {kind: files.get(name, Source("", "")) for kind, name in wanted.items()}
            image = sources.pop("image")
            missing = missing_of(str(raw), wanted, files)
            points.append(Point(image.member, called, image, sources, missing=missing))
    names = tuple(CITYSCAPES_CLASSES) if classes == "19" else CITYSCAPES_CATEGORIES
    readers: dict[str, ReadTarget] = {"segmentation": partial(labels, void=-1), "depth": positive}
    return DenseIndex(require_points(raw, points), names, readers, span=(0.0, 1.0))
