"""Lists of images: a CSV or TSV file with columns path and label, and split and group where they are known, or
with a column a class, one of which is 1 in each row. `columns` says which column is which."""

from pathlib import Path, PurePosixPath

from farfield.datasets.layouts.forms.columns import Columns, columns_of, is_marked
from farfield.datasets.layouts.forms.found import (
    Labelled,
    in_order,
    split_called,
    splits_of_files,
    used_classes,
)
from farfield.datasets.layouts.forms.holdings import Holdings, around, holdings_of, loose_file
from farfield.datasets.layouts.forms.tables import Table, table_of
from farfield.datasets.layouts.index import Record
from farfield.datasets.layouts.labels import MISSING, require_labels
from farfield.datasets.layouts.names import ImagesByName
from farfield.errors import InputError, first_few

SUFFIXES = (".csv", ".tsv", ".tab", ".txt")
FOUND_BY_NAME = (".csv", ".tsv", ".tab")  # in a folder; a text may be anything


def labels_of_file(given: Path) -> Labelled:
    """The images that a list names, below its folder or anywhere on this machine."""
    alone = holdings_of(given)
    [(_, data)] = alone.read(alone.files)
    table = table_of(data, str(given))
    direct = _named_directly(given.parent, table)
    holdings = direct if direct is not None else around(given)
    listed = _labelled_rows(holdings, {given.name: table}, strict=True)
    assert listed is not None
    return listed


def labels_in(holdings: Holdings) -> Labelled | None:
    """By the list that lies among the images, or a list for each split; none if there is no list of them.

    InputError if there are several lists that are not those of the splits, or none but such as cannot be read.
    """
    tables, faults = {}, []
    found = [file for file in holdings.files if file.ends(*FOUND_BY_NAME)] if holdings.images else []
    for file, data in holdings.read(found):
        try:
            tables[file.path] = table_of(data, file.path)
        except InputError as error:  # of some other table, if there is a list
            faults.append(error)
    listed = _labelled_rows(holdings, tables, strict=False) if tables else None
    if listed is None and faults:
        raise faults[0]
    return listed


def _named_directly(folder: Path, table: Table) -> Holdings | None:
    """The images of a list as it names them from its folder on, if it names all of them so: then the folder,
    which may be as large as a disk, need not be searched."""
    for column in range(len(table.header)):
        for rows in (table.without_header(), table):
            cells = [PurePosixPath(row[column].replace("\\", "/")) for _, row in rows.rows]
            if cells and all(_is_file(folder / cell) for cell in cells):
                paths = list(dict.fromkeys(cell.as_posix() for cell in cells))
                return Holdings(folder, folder, tuple(loose_file(folder, path) for path in paths))
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
        if (found := columns_of(table, images, strict)) is not None:
            read[name] = found
    if not read:
        return None
    splits = splits_of_files(holdings.given, read, "lists of its images")
    rows = [
        row
        for name, (table, columns) in sorted(read.items())
        for row in _rows(holdings, name, (table, columns), images, splits[name])
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
    remarks += tuple(
        f"Labels of {name} are those in {table.header[columns.label[0]]}, not in {', '.join(columns.others)}."
        for name, (table, columns) in sorted(read.items())
        if columns.others
    )
    named = {record.path for record in index.records}
    left_out = holdings.others(named | read.keys(), f"in no row of {first_few(sorted(read))}")
    return Labelled(f"the list {first_few(sorted(read))}", holdings.root, index, left_out, remarks)


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
            f"{name} names {len(missing)} images that {images.raw} does not hold: {first_few(near)}. Mend their "
            f"names, or take these rows out.{_unopened(holdings)}"
        )
    split_cells = [cells[columns.split] if columns.split is not None else split for _, cells in table.rows]
    if any(split_cells) and (
        without := [rows[i][1] for i, cell in enumerate(split_cells) if cell in MISSING]
    ):
        raise InputError(f"{name} gives {len(without)} images no split: {first_few(without)}.")
    groups = [cells[columns.group] if columns.group is not None else "" for _, cells in table.rows]
    return [
        (image, label, split_called(cell) or "all", "" if group in MISSING else group)
        for (_, image, label), cell, group in zip(rows, split_cells, groups, strict=True)
    ]


def _unopened(holdings: Holdings) -> str:
    beside = first_few(sorted(holdings.unopened))
    return f" Archives that lie beside images are not looked into: {beside}." if beside else ""


def _labels(name: str, table: Table, columns: Columns) -> list[str]:
    """The label of each row; InputError lists those that are marked as no class or as several."""
    if len(columns.label) == 1:
        return [cells[columns.label[0]] for _, cells in table.rows]
    marked = [[table.header[c] for c in columns.label if is_marked(cells[c])] for _, cells in table.rows]
    wrong = [
        f"line {line}, {cells[columns.path]}, as {' and '.join(classes) or 'no class'}"
        for (line, cells), classes in zip(table.rows, marked, strict=True)
        if len(classes) != 1
    ]
    if wrong:
        raise InputError(
            f"{name} does not mark {len(wrong)} images as one class: {first_few(wrong, '; ')}. Mend these rows "
            f"or take them out."
        )
    return [classes[0] for classes in marked]
