"""NYU Depth v2 as published: the labelled images in one MATLAB 7.3 file, beside its split and classes.

`nyu_depth_v2_labeled.mat` holds images [480, 640, 3, n], depths in metres and labels of 894 classes (0 is
void); `splits.mat` the official split; `classMapping40.mat` the class among 40 of each of the 894. The
normals are those of Eigen and Fergus, `normals_gt.tgz`, with a mask of the pixels where they are known.
"""

from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from farfield.datasets.dense.records import (
    VOID,
    DenseIndex,
    Point,
    ReadTarget,
    missing_of,
    require_points,
)
from farfield.datasets.dense.targets import labels, normals, positive
from farfield.datasets.layouts import matlab
from farfield.datasets.layouts.benchmarks import NYUV2_CLASSES
from farfield.datasets.layouts.contents import contents_of
from farfield.datasets.layouts.options import require_choice, take_options
from farfield.datasets.sources import Source, Stack
from farfield.errors import InputError

LABELLED, SPLIT_FILE, MAPPING = "nyu_depth_v2_labeled.mat", "splits.mat", "classMapping40.mat"
# MATLAB counts the axes from the other side.
VARIABLES = {
    "image": Stack("images", "cwh"), "segmentation": Stack("labels", "wh"), "depth": Stack("depths", "wh"),
}  # fmt: skip


def nyuv2_mat(raw: Path, options: dict[str, Any]) -> DenseIndex:
    """Rows as the split has them, train before test; point 0007 is the eighth of the labelled images.

    Option `tasks`: which of segmentation, normals and depth (default: all).
    """
    tasks = take_options("nyuv2_mat", options, tasks=["segmentation", "normals", "depth"])["tasks"]
    for task in tasks:
        require_choice("nyuv2_mat", "tasks", task, ("segmentation", "normals", "depth"))
    count = _count(raw / LABELLED)
    tables = {name: _bytes(raw, name) for name in (SPLIT_FILE, MAPPING)}
    table = _table(tables)
    coded = _normals(raw) if "normals" in tasks else {}
    points = []
    for split in ("train", "test"):
        for value in matlab.variable(tables, SPLIT_FILE, f"{split}Ndxs").ravel():
            place = f"{SPLIT_FILE}: {split}Ndxs"
            entry = matlab.whole_number(value, 1, count, place, f"the images in {LABELLED}") - 1
            wanted = {
                k: f"{folder}/{entry:04d}.png" for k, folder in (("normals", "normals"), ("mask", "masks"))
            }
            missing = missing_of(str(raw), wanted, coded) if coded or "normals" in tasks else ""
            sources = {
                kind: Source("", LABELLED, stack=stack, entry=entry) for kind, stack in VARIABLES.items()
            }
            image = sources.pop("image")
            targets = {
                task: sources.get(task) or coded.get(wanted["normals"], Source("", "")) for task in tasks
            }
            masks = {"normals": coded[wanted["mask"]]} if coded and not missing else {}
            points.append(Point(f"{entry:04d}", split, image, targets, masks, missing))
    readers: dict[str, ReadTarget] = {
        "segmentation": partial(labels, table=table), "normals": normals, "depth": positive,
    }  # fmt: skip
    return DenseIndex(require_points(raw, points), NYUV2_CLASSES, {task: readers[task] for task in tasks})


def _count(path: Path) -> int:
    """The number of labelled images; InputError if the file is none or lacks a variable."""
    import h5py

    if not path.exists():
        raise InputError(f"{path} does not exist; download it first.")
    names = [stack.variable for stack in VARIABLES.values()]
    try:
        with h5py.File(path) as file:
            counts = {name: file[name].shape[0] for name in names}
    except (OSError, KeyError) as error:
        raise InputError(
            f"{path} is no MATLAB 7.3 file with {', '.join(names)} ({error}). Download it again."
        ) from error
    if len(set(counts.values())) > 1:
        raise InputError(f"{path} holds {counts}; expected one of each for every image. Download it again.")
    return counts["images"]


def _bytes(raw: Path, name: str) -> bytes:
    if not (raw / name).exists():
        raise InputError(f"{raw / name} does not exist; download it first.")
    return (raw / name).read_bytes()


def _table(tables: dict[str, bytes]) -> np.ndarray:
    """The label of each value of the label maps: void for 0, then those of the 894 classes."""
    mapped = matlab.variable(tables, MAPPING, "mapClass").ravel().astype(np.int64)
    if mapped.min(initial=1) < 1 or mapped.max(initial=0) > len(NYUV2_CLASSES):
        raise InputError(
            f"{MAPPING}: mapClass must have numbers from 1 to {len(NYUV2_CLASSES)}. Get the file again."
        )
    return np.concatenate([[VOID], mapped - 1])


def _normals(raw: Path) -> dict[str, Source]:
    """The files of the normals' archive, as `normals/0000.png` and `masks/0000.png`."""
    return {
        "/".join(PurePosixPath(member.name).parts[-2:]): Source(archive, member.name)
        for archive, members in contents_of(raw).items()
        for member in members
        if not member.folder
    }
