"""CUB-200-2011: photographs of birds in one tar, with a list for each thing that is known of them."""

from pathlib import Path
from typing import Any

from farfield.datasets.layouts.contents import contents_of, images_by_name, label_texts, require_found
from farfield.datasets.layouts.index import Index, Record, box_of, build_index
from farfield.datasets.layouts.options import require_choice, take_options
from farfield.datasets.sources import Box
from farfield.errors import InputError

IMAGES, CLASSES, LABELS = "images.txt", "classes.txt", "image_class_labels.txt"
SPLITS, BOXES = "train_test_split.txt", "bounding_boxes.txt"


def cub(raw: Path, options: dict[str, Any]) -> Index:
    """Rows as images.txt lists them, of the splits train and test of train_test_split.txt.

    Option `crop`: box to cut each image to its bounding box, by default none.
    """
    boxed = require_choice("cub", "crop", take_options("cub", options, crop="none")["crop"], ("none", "box"))
    contents = contents_of(raw)
    images = images_by_name(raw, contents)
    texts = label_texts(
        raw, contents, [IMAGES, CLASSES, LABELS, SPLITS, *([BOXES] if boxed == "box" else [])]
    )
    paths = _lines(texts, IMAGES)
    require_found(IMAGES, paths.values(), images, raw)
    classes, labels = _lines(texts, CLASSES), _lines(texts, LABELS)
    sides = _lines(texts, SPLITS)
    boxes = _lines(texts, BOXES) if boxed == "box" else {}
    numbers = {number: label for label, number in enumerate(classes)}
    records = []
    for image, path in paths.items():
        number, side = _of(labels, image, LABELS), _of(sides, image, SPLITS)
        if number not in numbers:
            raise InputError(
                f"{LABELS}: image {image} has the class {number}, which {CLASSES} does not name."
            )
        if side not in ("0", "1"):
            raise InputError(f"{SPLITS}: image {image} has {side!r}; expected 1 for train or 0 for test.")
        box = _box(_of(boxes, image, BOXES), image) if boxed == "box" else None
        split = "train" if side == "1" else "test"
        records.append(Record(*images[path], images[path][1], numbers[number], split, box=box))
    return build_index(raw, records, list(classes.values()))


def _lines(texts: dict[str, str], name: str) -> dict[str, str]:
    """{number: the rest of the line} of a list whose lines begin with a number."""
    found: dict[str, str] = {}
    for line, content in enumerate(texts[name].splitlines(), 1):
        number, _, rest = content.strip().partition(" ")
        if not content.strip():
            continue
        if not number.isdecimal() or not rest or number in found:
            raise InputError(
                f"{name}, line {line}: found {content!r}; expected a number that no other line has, a space "
                f"and what is said of it."
            )
        found[number] = rest.strip()
    return found


def _of(listed: dict[str, str], image: str, name: str) -> str:
    if image not in listed:
        raise InputError(f"{name} says nothing of image {image}, which {IMAGES} lists.")
    return listed[image]


def _box(content: str, image: str) -> Box:
    """left, top, width, height; whole numbers written as 60.0."""
    if (box := box_of(content.split())) is None:
        raise InputError(f"{BOXES}: image {image} has {content!r}; expected left, top, width and height.")
    return box
