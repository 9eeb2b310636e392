"""RSNA Pneumonia Detection Challenge, stage 2: DICOM files by patient, and a table with a class for each."""

from pathlib import Path, PurePosixPath
from typing import Any

from farfield.datasets.layouts.contents import contents_of, images_by_name, label_texts, require_found, table
from farfield.datasets.layouts.index import Index, Record, build_index
from farfield.datasets.layouts.labels import require_labels
from farfield.datasets.layouts.options import take_options

LABELS = "stage_2_detailed_class_info.csv"
FOLDER = "stage_2_train_images"  # those of the test have no class


def rsna(raw: Path, options: dict[str, Any]) -> Index:
    """Rows by the first line of the table that names the patient; the split is "all". No options.

    The table has a line for each box around an opacity, so that patients occur several times; all their lines
    must name one class.
    """
    take_options("rsna", options)
    contents = contents_of(raw)
    images = images_by_name(raw, contents)
    text = label_texts(raw, contents, [LABELS])[LABELS]
    lines: dict[tuple[str, str], int] = {}
    for line, row in table(text, LABELS, ["patientId", "class"]):
        lines.setdefault((row["patientId"], row["class"]), line)
    rows = [(line, patient, name) for (patient, name), line in lines.items()]
    require_labels(LABELS, rows)
    names = [f"{FOLDER}/{patient}.dcm" for _, patient, _ in rows]
    require_found(LABELS, names, images, raw)
    class_names = sorted({name for _, _, name in rows})
    places = [images[name] for name in names]
    records = [
        Record(*place, PurePosixPath(place[1]).name, class_names.index(name), "all")
        for place, (_, _, name) in zip(places, rows, strict=True)
    ]
    return build_index(raw, records, class_names)
