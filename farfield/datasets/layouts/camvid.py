"""CamVid as the SegNet tutorial has it: image and label lists for train, val and test, 11 classes.

It has one target, the label map; the edges are derived from it, so that street scenes give two tasks.
"""

from pathlib import Path, PurePosixPath
from typing import Any

from farfield.datasets.dense.boundaries import edges_of_labels
from farfield.datasets.dense.records import VOID, DenseIndex, Point, missing_of, require_points
from farfield.datasets.dense.targets import labels
from farfield.datasets.layouts.contents import contents_of, images_by_name, label_texts
from farfield.datasets.layouts.options import take_options
from farfield.datasets.sources import Source
from farfield.errors import InputError

CLASSES = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist",
)  # fmt: skip
TABLE = (*range(len(CLASSES)), VOID)  # the file's 11 is "unlabelled"
SPLITS = ("train", "val", "test")


def camvid(raw: Path, options: dict[str, Any]) -> DenseIndex:
    """Rows as the lists `{train,val,test}.txt` have them: `<place>/train/a.png <place>/trainannot/a.png`.

    Of each path in a list the last two parts count. No options.
    """
    take_options("camvid", options)
    contents = contents_of(raw)
    images = images_by_name(raw, contents)
    texts = label_texts(raw, contents, [f"{split}.txt" for split in SPLITS])
    points = []
    for split in SPLITS:
        for number, line in enumerate(texts[f"{split}.txt"].splitlines(), 1):
            if not line.strip():
                continue
            files = ["/".join(PurePosixPath(path).parts[-2:]) for path in line.split()]
            if len(files) != 2:
                raise InputError(
                    f"{split}.txt, line {number}: it has {len(files)} paths; expected an image and its label map."
                )
            found = {file: images[file] for file in files if file in images}
            missing = missing_of(str(raw), {"image": files[0], "segmentation": files[1]}, found)
            image, target = (Source(*found.get(file, ("", ""))) for file in files)
            points.append(
                Point(image.member or files[0], split, image, {"segmentation": target}, missing=missing)
            )
    return DenseIndex(
        require_points(raw, points),
        CLASSES,
        {"segmentation": lambda data: labels(data, TABLE)},
        {"edges": edges_of_labels},
    )
