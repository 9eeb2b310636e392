"""A table as a value: what it says, before it is Markdown or HTML."""

from dataclasses import dataclass
from typing import Literal

from tabulate import tabulate

Kind = Literal["", "text", "published", "above", "below"]
_MARKS = {"above": "▲ ", "below": "▼ "}


@dataclass(frozen=True)
class Column:
    """A column; neighbours of the same `group` stand below one common heading."""

    title: str
    group: str = ""


@dataclass(frozen=True)
class Cell:
    """What stands in a cell, the number it is sorted by, and how it is meant.

    `kind` is `text` for words, `published` for other people's numbers, `above` and `below` for a
    difference that is surely on one side of zero.
    """

    text: str
    interval: str = ""
    value: float | str | None = None
    kind: Kind = ""
    best: bool = False

    @property
    def mark(self) -> str:
        return _MARKS.get(self.kind, "")


@dataclass(frozen=True)
class Table:
    """Rows of cells below a caption; the first cell of a row names it.

    `style` is "matrix" for many narrow columns that are read by colour, "wrapped" for rows with long names.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    style: Literal["", "matrix", "wrapped"] = ""

    @property
    def groups(self) -> tuple[tuple[str, int], ...]:
        """The common headings from left to right, each with the number of columns below it."""
        runs: list[tuple[str, int]] = []
        for column in self.columns:
            if column.group and runs and runs[-1][0] == column.group:
                runs[-1] = (column.group, runs[-1][1] + 1)
            else:
                runs.append((column.group, 1))
        return tuple(runs)


EMPTY = Cell("–")


def words(text: str) -> Cell:
    """A cell of text, sorted without regard to case."""
    return Cell(text, value=text.lower(), kind="text")


def number(
    value: float, ci95: float | None = None, kind: Kind = "", signed: bool = False, digits: int = 2
) -> Cell:
    """A cell with `value` and its interval, to `digits` digits after the point."""
    shown = round(value, digits) + 0.0  # never "−0.00"
    text = f"{shown:+.{digits}f}" if signed else f"{shown:.{digits}f}"
    interval = "" if ci95 is None else f"± {ci95:.{digits}f}"
    return Cell(text.replace("-", "−"), interval, value, kind)


def markdown(table: Table) -> str:
    """`table` in Markdown, its caption and note as paragraphs around it."""
    headers = [f"{column.group} {column.title}".strip() for column in table.columns]
    rows = [[_markdown_cell(cell) for cell in row] for row in table.rows]
    kinds = [{row[i].kind for row in table.rows} for i in range(len(headers))]
    alignment = ["left" if kind == {"text"} else "right" for kind in kinds]
    grid = tabulate(
        rows, headers, tablefmt="pipe", disable_numparse=True, colalign=alignment if rows else None
    )
    return "\n\n".join(part for part in (f"**{table.caption}**", grid, table.note) if part) + "\n"


def _markdown_cell(cell: Cell) -> str:
    text = f"{cell.mark}{cell.text} {cell.interval}".strip().replace("|", "\\|")
    return f"**{text}**" if cell.best else text
