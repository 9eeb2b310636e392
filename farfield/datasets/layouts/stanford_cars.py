"""Stanford Cars: photographs in one tar, MATLAB tables of classes and annotations in another."""

import io
from pathlib import Path
from typing import Any

import numpy as np

from farfield.datasets.layouts.contents import (
    contents_of,
    images_by_file_name,
    label_files,
    require_found,
    require_images,
)
from farfield.datasets.layouts.index import Index, Record, build_index
from farfield.datasets.layouts.options import take_options
from farfield.errors import InputError

CLASSES, ANNOTATIONS = "cars_meta.mat", "cars_train_annos.mat"


def stanford_cars(raw: Path, options: dict[str, Any]) -> Index:
    """Rows as the table of annotations lists them, of the training part; the split is "all". No options.

    Images are taken whole, whatever the boxes of the annotations.
    """
    take_options("stanford_cars", options)
    contents = contents_of(raw)
    images = images_by_file_name(raw, contents)
    files = label_files(raw, contents, [CLASSES, ANNOTATIONS])
    class_names = [_text(name) for name in _variable(files, CLASSES, "class_names").flat]
    table = _variable(files, ANNOTATIONS, "annotations")
    if absent := [field for field in ("fname", "class") if field not in (table.dtype.names or ())]:
        raise InputError(f"{ANNOTATIONS}: the annotations have no field {absent[0]!r}; get the file again.")
    listed = [
        (_text(file), _label(number, row, len(class_names)))
        for row, (file, number) in enumerate(zip(table["fname"].flat, table["class"].flat, strict=True), 1)
    ]
    require_found(ANNOTATIONS, [name for name, _ in listed if name not in images], raw)
    records = [Record(*images[name], images[name][1], label, "all") for name, label in listed]
    pictured = {archive for archive, _ in images.values()}
    require_images(raw, pictured, {record.archive for record in records})
    return build_index(raw, records, class_names)


def _variable(files: dict[str, bytes], name: str, variable: str) -> np.ndarray:
    """One variable of a MATLAB file; reading such a file runs nothing of what it holds."""
    from scipy.io import loadmat

    try:
        content = loadmat(io.BytesIO(files[name]))
    except Exception as error:  # a damaged file can raise nearly everything
        raise InputError(
            f"{name} is no MATLAB file that can be read: {error or type(error).__name__}. Get the archive "
            f"with it again."
        ) from error
    if variable not in content:
        known = ", ".join(key for key in content if not key.startswith("__")) or "nothing"
        raise InputError(f"{name} holds {known}; expected {variable}. Get the archive with it again.")
    return np.asarray(content[variable])


def _text(value: Any) -> str:
    """The text in a cell, which MATLAB wraps in arrays."""
    return str(np.asarray(value).ravel()[0]) if np.asarray(value).size else ""


def _label(value: Any, row: int, classes: int) -> int:
    """The label from 0 of a class number from 1, which MATLAB wraps in arrays."""
    number = np.asarray(value).ravel()
    if number.size != 1 or number.dtype.kind not in "iuf" or number[0] not in range(1, classes + 1):
        found = number[0] if number.size == 1 else f"{number.size} values"
        raise InputError(
            f"{ANNOTATIONS}, annotation {row}: the class is {found}; expected a number from 1 to {classes}, "
            f"the classes that {CLASSES} names."
        )
    return int(number[0]) - 1
