"""Which column of a table names the images, which their labels, splits and groups.

They are told by their names, in any case of letters; the one with the images by what it holds. Without a column
of labels, the only other column is taken, or several of 0 and 1: a table of a column a class.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from farfield.datasets.decoders import SUFFIXES as ENDINGS
from farfield.datasets.layouts.forms.tables import Table
from farfield.datasets.layouts.names import ImagesByName
from farfield.errors import InputError

PATHS = (
    "path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "image_file",
    "image_name", "image_index", "image_id", "id_code", "img", "img_path", "name", "id", "photo", "picture",
)  # fmt: skip
LABELS = (
    "class_name", "label_name", "label", "labels", "class", "class_label", "category", "category_name", "target",
    "species", "diagnosis", "dx", "disease", "finding_labels", "y",
)  # fmt: skip
SPLIT = ("split", "set", "subset", "partition", "fold_name", "usage")
GROUP = (
    "group", "patient", "patient_id", "subject", "subject_id", "case", "case_id", "slide", "slide_id",
    "lesion_id", "site", "site_id", "scene", "scene_id", "plot", "plot_id", "specimen", "specimen_id",
    "individual",
)  # fmt: skip
LOOKED_AT = 50  # rows by which a column of images is told


@dataclass(frozen=True)
class Columns:
    """Places of the columns; of `label` several in a table of a column a class. others: names of columns that may
    be labels too."""

    path: int
    label: tuple[int, ...]
    split: int | None
    group: int | None
    others: tuple[str, ...] = ()


def columns_of(table: Table, images: ImagesByName, strict: bool) -> tuple[Table, Columns] | None:
    """The table and its columns; none, or if strict an InputError, if it is no list of these images."""
    if any(cell.lower().endswith(ENDINGS) and cell in images for cell in table.header):
        table = table.without_header()
    names = [re.sub(r"[\W_]+", "_", name.strip().lower()).strip("_") for name in table.header]
    path = _image_column(table, names, images)
    if path is None:
        if not strict:
            return None
        raise InputError(
            f"{table.name}: no column names images below {images.raw}; its columns are "
            f"{', '.join(table.header) or 'without names'}, and its first row is "
            f"{', '.join(table.rows[0][1]) if table.rows else 'missing'}. Expected columns path and label."
        )
    if twice := sorted({name for name in names if name and names.count(name) > 1 and name in LABELS}):
        raise InputError(f"{table.name} has several columns called {twice[0]}; take all but one out.")
    width = len(table.rows[0][1])
    split, group = (_first(names, known, {path}) for known in (SPLIT, GROUP))
    rest = [column for column in range(width) if column not in (path, split, group)]
    label = _label_columns(table, names, rest)
    if not label:
        if not strict and not rest:
            return None  # a list of images without anything said of them
        raise InputError(
            f"{table.name}: it is open which column holds the labels; the columns are "
            f"{', '.join(table.header) or f'{width} without names'}. Call one of them label, or have one column "
            f"a class with a single 1 in each row."
        )
    others = tuple(table.header[c] for c in rest if c < len(names) and c not in label and names[c] in LABELS)
    return table, Columns(path, label, split, group, others)


def _image_column(table: Table, names: list[str], images: ImagesByName) -> int | None:
    """The column whose name says so, if it names an image; else the one of which most cells name one with its
    ending. Names without an ending may be numbers of anything: all must fit, be words and each another."""
    looked_at = [cells for _, cells in table.rows[:LOOKED_AT]]
    if not looked_at:
        return None
    named = {PATHS.index(name): column for column, name in enumerate(names) if name in PATHS}
    for _, column in sorted(named.items()):
        if any(cells[column] in images for cells in looked_at):
            return column
    hits = [
        sum(cells[c].lower().endswith(ENDINGS) and cells[c] in images for cells in looked_at)
        for c in range(len(looked_at[0]))
    ]
    best = max(range(len(hits)), key=hits.__getitem__)
    if 2 * hits[best] > len(looked_at):
        return best
    for column in range(len(hits)):
        cells = [row[column] for row in looked_at]
        words = not any(re.fullmatch(r"[\d.,+-]*", cell) for cell in cells)
        if words and len(set(cells)) == len(cells) and all(cell in images for cell in cells):
            return column
    return None


def _label_columns(table: Table, names: list[str], rest: list[int]) -> tuple[int, ...]:
    known = [(LABELS.index(names[c]), c) for c in rest if c < len(names) and names[c] in LABELS]
    if known:
        return (min(known)[1],)
    if len(rest) == 1:
        return (rest[0],)
    marks = [c for c in rest if names and all(is_marked(cells[c]) is not None for _, cells in table.rows)]
    return tuple(marks) if len(marks) > 1 else ()


def _first(names: list[str], known: Iterable[str], taken: set[int]) -> int | None:
    return next(
        (names.index(name) for name in known if name in names and names.index(name) not in taken), None
    )


def is_marked(cell: str) -> bool | None:
    """Whether a cell of a column a class is marked; none if it is no mark."""
    if cell.lower() in ("true", "false"):
        return cell.lower() == "true"
    if re.fullmatch(r"[01](?:[.,]0*)?", cell):
        return cell[0] == "1"
    return None
