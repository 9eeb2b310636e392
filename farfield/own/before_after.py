"""A user's images before and after: as they are stored, and as the network sees them."""

from pathlib import Path

import numpy as np
from PIL import Image

from farfield.datasets.as_stored import as_stored
from farfield.datasets.decoders import read
from farfield.datasets.layouts import read_images
from farfield.datasets.layouts.forms import labelled_images
from farfield.own.images import OwnImages
from farfield.own.page import Item, Part, Sheet
from farfield.own.pictures import encoded

PICTURES, CLASSES = 12, 24  # of a class; shown
SIDE, GAP = 64, 2  # pixels


def before_after(data: Path, own: OwnImages) -> Part:
    """Of the first classes some images each, taken evenly from their paths in order. data: where `own` is from,
    whose files are read once more."""
    shown = range(min(len(own.class_names), CLASSES))
    chosen = {label: some_of(np.flatnonzero(own.labels == label)) for label in shown}
    before = _stored(data, own, [row for rows in chosen.values() for row in rows])
    sheets = []
    for label, rows in chosen.items():
        name = own.class_names[label]
        after = [own.picture(row) for row in rows]
        alt = f"{len(rows)} images of {name}, above as they are stored and below as the network sees them"
        sheets.append(Sheet(name, encoded(two_rows([before[row] for row in rows], after)), alt))
    lines = [
        "Above: the first three bands of each file, or the first, numbers of more than 8 bits from its least to "
        "its largest. Below: the same after all that farfield does, squeezed to a square. What cannot be told "
        "apart below, the network cannot tell apart."
    ]
    if len(own.class_names) > CLASSES:
        lines.append(f"The first {CLASSES} of {len(own.class_names)} classes.")
    texts = tuple(Item("text", line) for line in lines)
    return Part(
        "As stored, and as the network sees them", "Before and after", (*texts, Item("sheets", sheets))
    )


def some_of(rows: np.ndarray) -> list[int]:
    """`PICTURES` of them at even distances, or all."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, PICTURES).round().astype(int))].tolist()


def two_rows(before: list[Image.Image], after: list[Image.Image]) -> Image.Image:
    """One picture of both, each image in a square of `SIDE` pixels, `before` in its own proportions."""
    sheet = Image.new("RGBA", (len(after) * SIDE, 2 * SIDE))
    for place, (above, below) in enumerate(zip(before, after, strict=True)):
        scale = (SIDE - GAP) / max(above.size)
        size = (max(1, round(scale * above.width)), max(1, round(scale * above.height)))
        small = above.resize(size, Image.Resampling.BOX)
        sheet.paste(small, (place * SIDE + (SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
        square = below.resize((SIDE - GAP,) * 2, Image.Resampling.BOX)
        sheet.paste(square, (place * SIDE + GAP // 2, SIDE + GAP // 2))
    return sheet


def _stored(data: Path, own: OwnImages, rows: list[int]) -> dict[int, Image.Image]:
    """Small copies of the files of these rows; one whole image is in memory at a time."""
    found = labelled_images(data)
    places = {record.path: place for place, record in enumerate(found.index.records)}
    wanted = {places[own.paths[row]]: row for row in rows}
    pictures = {}
    for place, content in read_images(found.root, found.index, sorted(wanted)):
        picture = as_stored(read(content), found.index.records[place].box)
        picture.thumbnail((2 * SIDE, 2 * SIDE), Image.Resampling.BOX)
        pictures[wanted[place]] = picture
    return pictures
