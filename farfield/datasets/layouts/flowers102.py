"""Oxford 102 category flowers: numbered photographs, their labels and splits in MATLAB tables."""

from pathlib import Path
from typing import Any

from farfield.datasets.layouts import matlab
from farfield.datasets.layouts.contents import contents_of, images_by_name, label_files, require_found
from farfield.datasets.layouts.index import Index, Record, build_index
from farfield.datasets.layouts.options import take_options

LABELS, SETS = "imagelabels.mat", "setid.mat"
SPLITS = {"trnid": "train", "valid": "train", "tstid": "test"}  # variable: split
CLASSES = 102


def flowers102(raw: Path, options: dict[str, Any]) -> Index:
    """Rows by list, trnid, valid and tstid; the first two are both for training. No options.

    Classes are called by their numbers, from 001: the archives hold no names.
    """
    take_options("flowers102", options)
    contents = contents_of(raw)
    images = images_by_name(raw, contents)
    files = label_files(raw, contents, [LABELS, SETS])
    labels = matlab.variable(files, LABELS, "labels").ravel()
    listed: list[tuple[str, int, str]] = []
    for variable, split in SPLITS.items():
        for place, value in enumerate(matlab.variable(files, SETS, variable).flat, 1):
            number = matlab.whole_number(
                value, 1, len(labels), f"{SETS}, {variable} {place}: the image", f"those that {LABELS} labels"
            )
            label = matlab.whole_number(
                labels[number - 1], 1, CLASSES, f"{LABELS}, image {number}: the class", "the classes"
            )
            listed.append((f"image_{number:05d}.jpg", label - 1, split))
    require_found(SETS, [name for name, _, _ in listed], images, raw)
    records = [Record(*images[name], images[name][1], label, split) for name, label, split in listed]
    return build_index(raw, records, [f"{number:03d}" for number in range(1, CLASSES + 1)])
