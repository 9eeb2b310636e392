"""Oxford 17 category flowers: numbered photographs, 80 of each class in turn."""

import re
from pathlib import Path, PurePosixPath
from typing import Any

from farfield.datasets.layouts.contents import contents_of, images_by_name
from farfield.datasets.layouts.holdout import hold_out
from farfield.datasets.layouts.index import Index, Record, build_index
from farfield.datasets.layouts.options import take_options
from farfield.errors import InputError

RUN = 80
CLASSES = (
    "daffodil",
    "snowdrop",
    "lily of the valley",
    "bluebell",
    "crocus",
    "iris",
    "tigerlily",
    "tulip",
    "fritillary",
    "sunflower",
    "daisy",
    "coltsfoot",
    "dandelion",
    "cowslip",
    "buttercup",
    "windflower",
    "pansy",
)


def flowers17(raw: Path, options: dict[str, Any]) -> Index:
    """Rows by number; images 1 to 80 are of the first class. The split is "all".

    Option `holdout`, see `hold_out`: splits train and test. (The three published splits are in a file of
    their own, datasplits.mat, and are not read.)
    """
    holdout = take_options("flowers17", options, holdout={})["holdout"]
    records = []
    images = images_by_name(raw, contents_of(raw))
    for name in sorted(PurePosixPath(member).name for _, member in images.values()):
        archive, member = images[name]
        number = re.fullmatch(r"image_(\d{4})\.jpg", name)
        if not number or not 1 <= int(number[1]) <= RUN * len(CLASSES):
            raise InputError(
                f"{raw / archive}: found the image {PurePosixPath(member).name}; the images of the 17 flowers "
                f"are image_0001.jpg to image_{RUN * len(CLASSES)}.jpg."
            )
        records.append(Record(archive, member, member, (int(number[1]) - 1) // RUN, "all"))
    return build_index(raw, hold_out(records, CLASSES, holdout) if holdout else records, CLASSES)
