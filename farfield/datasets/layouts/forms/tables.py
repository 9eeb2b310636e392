"""A CSV or TSV file as rows of text, however a spreadsheet or a program wrote it."""

import codecs
import csv
import io
from dataclasses import dataclass

from farfield.errors import InputError

SEPARATORS = ",;\t|"
Row = tuple[int, list[str]]  # line, cells


@dataclass(frozen=True)
class Table:
    """name: for messages. header: empty if the file has none. rows: as long as the header, spaces around cells
    gone; lines without a word are left out."""

    name: str
    header: tuple[str, ...]
    rows: tuple[Row, ...]

    def without_header(self) -> "Table":
        return Table(self.name, (), ((1, list(self.header)), *self.rows))


def table_of(data: bytes, name: str) -> Table:
    """InputError if it is no text, no CSV, or a row has more or fewer cells than the first."""
    text = _text(data, name)
    rows = text.splitlines()
    if rows and rows[0].lower().startswith("sep=") and len(rows[0]) == 5:
        separator, text = rows[0][4], text[len(rows[0]) :]  # the empty line that is left counts as a line
    else:
        separator = _separator(rows[:20])
    if separator == " ":  # of a path with spaces and a label
        text = "\n".join("\t".join(line.strip().rsplit(maxsplit=1)) for line in text.splitlines())
        separator = "\t"
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    found: list[Row] = []
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if any(cells):
                found.append((reader.line_num, cells))
    except csv.Error as error:
        raise InputError(f"{name}, line {reader.line_num}: no line of a CSV file ({error}).") from error
    if not found:
        raise InputError(f"{name} is empty; expected a header and a row an image.")
    width = len(found[0][1])
    rugged = [(line, cells) for line, cells in found if len(cells) != width and any(cells[width:] or [""])]
    rugged += [(line, cells) for line, cells in found if len(cells) < width]
    if rugged:
        line, cells = rugged[0]
        raise InputError(
            f"{name}, line {line}: {len(cells)} cells where the first line has {width} ({len(rugged)} such "
            f"lines). Put a name that holds {separator!r} in double quotes."
        )
    return Table(name, tuple(found[0][1]), tuple((line, cells[:width]) for line, cells in found[1:]))


def _text(data: bytes, name: str) -> str:
    marks = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
    encoding = next((found for mark, found in marks.items() if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} is no text in UTF-8 ({error}). Save it as UTF-8; a spreadsheet calls that 'CSV UTF-8'."
        ) from error


def _separator(lines: list[str]) -> str:
    """The sign that divides most of the first lines into the same number of cells, two or more; else a space."""

    def steady(separator: str) -> tuple[int, int]:
        widths = [len(row) for row in csv.reader(lines, delimiter=separator) if row]
        return (
            sum(width == widths[0] for width in widths) if widths and widths[0] > 1 else 0
        ), -SEPARATORS.index(separator)

    try:
        best = max(SEPARATORS, key=steady)
        return best if steady(best)[0] else " "
    except csv.Error:
        return ","
