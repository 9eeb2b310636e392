"""Stanford Cars: photographs in a tar for each part, MATLAB tables of classes and annotations."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from farfield.datasets.layouts import matlab
from farfield.datasets.layouts.contents import (
    contents_of,
    images_by_name,
    label_files,
    require_found,
    require_images,
)
from farfield.datasets.layouts.holdout import hold_out
from farfield.datasets.layouts.index import Index, Record, build_index
from farfield.datasets.layouts.options import require_choice, take_options
from farfield.datasets.sources import Box
from farfield.errors import InputError

CLASSES = "cars_meta.mat"
# The devkit has a table of the test part too, cars_test_annos.mat, without its labels.
ANNOTATIONS = {"train": "cars_train_annos.mat", "test": "cars_test_annos_withlabels.mat"}
CORNERS = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")
WIDEST = 2**20  # pixels; beyond any photograph


def stanford_cars(raw: Path, options: dict[str, Any]) -> Index:
    """Rows as the tables of annotations list them, part by part.

    Options: `parts`, of train and test, by default train. `holdout`, see `hold_out`. `crop`: box for the
    boxes of the annotations, by default none. The split is the part, or with one part alone "all" or what
    holdout makes of it.
    """
    taken = take_options("stanford_cars", options, parts=["train"], holdout={}, crop="none")
    parts, boxed = taken["parts"], require_choice("stanford_cars", "crop", taken["crop"], ("none", "box"))
    if parts not in (["train"], ["test"], ["train", "test"]):
        raise InputError(f"the option parts of the layout stanford_cars is {parts}; it may be [train, test].")
    if len(parts) > 1 and taken["holdout"]:
        raise InputError("the options parts and holdout both say what is in a split; give one of them.")
    contents = contents_of(raw)
    images = images_by_name(raw, contents)  # both parts have a 00001.jpg
    files = label_files(raw, contents, [CLASSES, *(ANNOTATIONS[part] for part in parts)])
    class_names = [matlab.text(name) for name in matlab.variable(files, CLASSES, "class_names").flat]
    records: list[Record] = []
    for part in parts:
        listed = list(_listed(files, ANNOTATIONS[part], len(class_names), boxed == "box"))
        names = [f"cars_{part}/{file}" for file, _, _ in listed]
        require_found(ANNOTATIONS[part], names, images, raw)
        records += [
            Record(*images[name], images[name][1], label, part if len(parts) > 1 else "all", box=box)
            for name, (_, label, box) in zip(names, listed, strict=True)
        ]
    pictured = {archive for archive, _ in images.values()}
    require_images(raw, pictured, {record.archive for record in records})
    if taken["holdout"]:
        records = hold_out(records, class_names, taken["holdout"])
    return build_index(raw, records, class_names)


def _listed(
    files: dict[str, bytes], name: str, classes: int, boxed: bool
) -> Iterator[tuple[str, int, Box | None]]:
    """Yield (file, label, box) of each annotation."""
    table = matlab.variable(files, name, "annotations")
    wanted = ("fname", "class", *(CORNERS if boxed else ()))
    if absent := [field for field in wanted if field not in (table.dtype.names or ())]:
        raise InputError(f"{name}: the annotations have no field {absent[0]!r}; get the file again.")
    for row, annotation in enumerate(table.flat, 1):
        place = f"{name}, annotation {row}:"
        number = matlab.whole_number(
            annotation["class"], 1, classes, f"{place} the class", f"the classes that {CLASSES} names"
        )
        yield matlab.text(annotation["fname"]), number - 1, _box(annotation, place) if boxed else None


def _box(annotation: np.void, place: str) -> Box:
    """The corners, which MATLAB counts from 1 and includes."""
    left, top, right, bottom = (
        matlab.whole_number(annotation[corner], 1, WIDEST, f"{place} {corner}", "in pixels")
        for corner in CORNERS
    )
    if left > right or top > bottom:
        raise InputError(f"{place} the box from {left}, {top} to {right}, {bottom} is empty.")
    return left - 1, top - 1, right, bottom
