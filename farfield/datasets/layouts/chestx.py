"""NIH ChestX-ray: images spread over tarballs, findings in one table."""

from pathlib import Path
from typing import Any

from farfield.datasets.layouts.contents import (
    contents_of,
    images_by_name,
    label_texts,
    require_found,
    require_images,
    table,
)
from farfield.datasets.layouts.index import Index, Record, build_index
from farfield.datasets.layouts.labels import require_labels
from farfield.datasets.layouts.options import take_options

LABELS = "Data_Entry_2017.csv"
# The classes of BSCD-FSL (Guo et al., ECCV 2020), which leaves out seven of the fourteen findings.
FINDINGS = ["Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumothorax"]


def chestx(raw: Path, options: dict[str, Any]) -> Index:
    """Rows as the table lists them, of images with exactly one finding, which is one of `findings`.

    Labels follow the alphabet; the split is "all". Option: `findings`, by default those of BSCD-FSL.
    """
    class_names = sorted(take_options("chestx", options, findings=FINDINGS)["findings"])
    labels = {name: label for label, name in enumerate(class_names)}
    contents = contents_of(raw)
    images = images_by_name(raw, contents)
    text = label_texts(raw, contents, [LABELS])[LABELS]
    rows = [
        (line, row["Image Index"], row["Finding Labels"])  # several findings are separated by |
        for line, row in table(text, LABELS, ["Image Index", "Finding Labels"])
    ]
    require_labels(LABELS, rows)
    kept = [(name, labels[findings]) for _, name, findings in rows if findings in labels]
    require_found(LABELS, [name for name, _ in kept], images, raw)
    records = [Record(*images[name], images[name][1], label, "all") for name, label in kept]
    require_images(raw, contents, {record.archive for record in records})
    return build_index(raw, records, class_names)
