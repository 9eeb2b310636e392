"""Lists of images: a CSV or TSV file with columns path and label, and split and group where they are known.

Columns are told by their names, in any case of letters; the one with the images by what it holds. Without a
column of labels, the only other column is taken, or several of 0 and 1, one of which is 1 in each row: a table
of a column a class.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from farfield.datasets.decoders import SUFFIXES as ENDINGS
from farfield.datasets.layouts.index import Record
from farfield.datasets.layouts.labelled.found import Labelled, in_order, split_called, split_in, used_classes
from farfield.datasets.layouts.labelled.holdings import File, Holdings, holdings_of
from farfield.datasets.layouts.labelled.tables import Table, table_of
from farfield.datasets.layouts.labels import MISSING, require_labels, some
from farfield.datasets.layouts.names import ImagesByName
from farfield.errors import InputError

SUFFIXES = (".csv", ".tsv", ".tab", ".txt")
FOUND_BY_NAME = (".csv", ".tsv", ".tab")  # in a folder; a text may be anything

PATHS = (
    "path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "image_file",
    "image_name", "image_index", "image_id", "img", "img_path", "name", "id", "photo", "picture",
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
    """Places of the columns; of `label` several in a table of a column a class."""

    path: int
    label: tuple[int, ...]
    split: int | None
    group: int | None


def labels_of_file(given: Path) -> Labelled:
    """The images that a list names, below its folder or anywhere on this machine."""
    table = table_of(holdings_of(given).read(File("", given.name, (given.name,), given.name)), str(given))
    direct = _named_directly(given.parent, table)
    holdings = direct if direct is not None else holdings_of(given.parent)
    listed = _labelled_rows(holdings, {given.name: table}, strict=True)
    assert listed is not None
    return listed


def labels_in(holdings: Holdings) -> Labelled | None:
    """By the list that lies among the images, or a list for each split; none if there is no list of them.

    InputError if there are several lists that are not those of the splits.
    """
    tables = {}
    for file in holdings.files if holdings.images else ():
        if file.ends(*FOUND_BY_NAME):
            try:
                tables[file.path] = table_of(holdings.read(file), file.path)
            except InputError:  # some other table, or none
                continue
    return _labelled_rows(holdings, tables, strict=False) if tables else None


def _named_directly(folder: Path, table: Table) -> Holdings | None:
    """The images of a list as it names them from its folder on, if it names all of them so: then the folder,
    which may be as large as a disk, need not be searched."""
    for column in range(len(table.header)):
        for rows in (table.without_header(), table):
            cells = [PurePosixPath(row[column].replace("\\", "/")) for _, row in rows.rows]
            if cells and all(_is_file(folder / cell) for cell in cells):
                paths = list(dict.fromkeys(cell.as_posix() for cell in cells))
                files = tuple(File("", path, PurePosixPath(path).parts, path) for path in paths)
                return Holdings(folder, folder, files)
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a sentence, too long for a name
        return False


def _labelled_rows(holdings: Holdings, tables: dict[str, Table], strict: bool) -> Labelled | None:
    by_place = {(file.archive, file.member): file for file in holdings.images}
    images = ImagesByName(holdings.given, by_place)
    read = {}
    for name, table in tables.items():
        if (found := _columns(table, images, strict)) is not None:
            read[name] = found
    if not read:
        return None
    splits = {name: split_in(name) for name in read}
    if len(read) > 1 and (not all(splits.values()) or len(set(splits.values())) < len(splits)):
        raise InputError(
            f"{holdings.given} holds several lists of its images: {some(sorted(read))}. Give the one that counts "
            f"in place of the folder, or call them train, val and test."
        )
    rows = [
        row
        for name, (table, columns) in sorted(read.items())
        for row in _rows(holdings, name, (table, columns), images, splits[name] if len(read) > 1 else "")
    ]
    class_names = in_order(
        [label for _, label, _, _ in rows]
        + [
            table.header[c]
            for table, columns in read.values()
            if len(columns.label) > 1
            for c in columns.label
        ]
    )
    labels = {name: number for number, name in enumerate(class_names)}
    records = []
    for image, label, split, group in rows:
        file = by_place[images[image]]
        records.append(Record(file.archive, file.member, file.path, labels[label], split, group=group))
    index, remarks = used_classes(holdings.given, records, class_names)
    named = {record.path for record in index.records}
    left_out = holdings.others(named | read.keys(), f"in no row of {some(sorted(read))}")
    return Labelled(f"the list {some(sorted(read))}", holdings.root, index, left_out, remarks)


def _rows(
    holdings: Holdings, name: str, read: tuple[Table, Columns], images: ImagesByName, split: str
) -> list[tuple[str, str, str, str]]:
    """(image, label, split, group) of each row; InputError lists what is wrong with them."""
    table, columns = read
    folder = PurePosixPath(name).parent.as_posix()
    rows = [
        (line, images.called(cells[columns.path], folder), label)
        for (line, cells), label in zip(table.rows, _labels(name, table, columns), strict=True)
    ]
    require_labels(name, rows)
    if missing := [image for _, image, _ in rows if image not in images]:
        near = [image + images.near(image) for image in missing]
        raise InputError(
            f"{name} names {len(missing)} images that {images.raw} does not hold: {some(near)}. Mend their "
            f"names, or take these rows out.{_unopened(holdings)}"
        )
    split_cells = [cells[columns.split] if columns.split is not None else split for _, cells in table.rows]
    if any(split_cells) and (
        without := [rows[i][1] for i, cell in enumerate(split_cells) if cell in MISSING]
    ):
        raise InputError(f"{name} gives {len(without)} images no split: {some(without)}.")
    groups = [cells[columns.group] if columns.group is not None else "" for _, cells in table.rows]
    return [
        (image, label, split_called(cell) or "all", "" if group in MISSING else group)
        for (_, image, label), cell, group in zip(rows, split_cells, groups, strict=True)
    ]


def _unopened(holdings: Holdings) -> str:
    beside = some(sorted(holdings.unopened))
    return f" Archives that lie beside images are not looked into: {beside}." if beside else ""


def _labels(name: str, table: Table, columns: Columns) -> list[str]:
    """The label of each row; InputError lists those that are marked as no class or as several."""
    if len(columns.label) == 1:
        return [cells[columns.label[0]] for _, cells in table.rows]
    marked = [[table.header[c] for c in columns.label if _mark(cells[c])] for _, cells in table.rows]
    wrong = [
        f"line {line}, {cells[columns.path]}, as {' and '.join(classes) or 'no class'}"
        for (line, cells), classes in zip(table.rows, marked, strict=True)
        if len(classes) != 1
    ]
    if wrong:
        raise InputError(
            f"{name} does not mark {len(wrong)} images as one class: {some(wrong, '; ')}. Mend these rows or "
            f"take them out."
        )
    return [classes[0] for classes in marked]


def _mark(cell: str) -> bool | None:
    """Whether a cell of a column a class is marked; none if it is no mark."""
    if cell.lower() in ("true", "false"):
        return cell.lower() == "true"
    if re.fullmatch(r"[01](?:[.,]0*)?", cell):
        return cell[0] == "1"
    return None


def _columns(table: Table, images: ImagesByName, strict: bool) -> tuple[Table, Columns] | None:
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
    return table, Columns(path, label, split, group)


def _image_column(table: Table, names: list[str], images: ImagesByName) -> int | None:
    """The column whose name says so, if it names an image; else the one of which most cells name one with its
    ending, since numbers fit too much."""
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
    return best if 2 * hits[best] > len(looked_at) else None


def _label_columns(table: Table, names: list[str], rest: list[int]) -> tuple[int, ...]:
    known = [(LABELS.index(names[c]), c) for c in rest if c < len(names) and names[c] in LABELS]
    if known:
        return (min(known)[1],)
    if len(rest) == 1:
        return (rest[0],)
    marks = [c for c in rest if names and all(_mark(cells[c]) is not None for _, cells in table.rows)]
    return tuple(marks) if len(marks) > 1 else ()


def _first(names: list[str], known: Iterable[str], taken: set[int]) -> int | None:
    return next(
        (names.index(name) for name in known if name in names and names.index(name) not in taken), None
    )
