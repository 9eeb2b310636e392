"""A difference as a page of its own, in the look of the site."""

from pathlib import Path

from commands.diff import shown
from commands.diff.told import Told
from farfield.report.cells import Cell, Column, Table, number, words
from farfield.report.forest import forest
from farfield.report.site import Page, Picture, assets_of, write_site
from farfield.report.tables import direction

DRAWN = 60  # lines of the plot


def write_page(folder: Path, told: Told) -> None:
    """`folder` is replaced whole."""
    points = told.lines[told.lines["metric"] == "accuracy"].copy()
    points["name"] = points["study"] + " " + points["row"] + ", " + points["cell"]
    # Those beyond chance first; each kind is in the order of size already.
    points = points.sort_values("beyond", ascending=False, kind="stable").head(DRAWN)
    picture = Picture(
        "forest.svg",
        "A forest plot of differences in accuracy with 95 % intervals.",
        "The later minus the earlier, in percentage points, with 95 % intervals. Filled: beyond chance.",
        forest(points, "difference (points)") if len(points) else b"",
    )
    context = {
        "heading": shown.heading(told),
        "turns": list(shown.turns(told)),
        "explained": shown.explained(told),
        "rest": shown.rest(told),
        "beyond": shown.beyond(told),
        "picture": picture if len(points) else None,
        "table": table(told),
    }
    page = Page("index", "Differences", "diff.html.j2", context, assets_of([picture] if len(points) else []))
    write_site(folder, [page.drawn])


def table(told: Told) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for line in told.lines.to_dict("records"):
        digits = 2 if line["metric"] == "accuracy" else 4
        ci95 = line["ci95"] if line["ci95"] == line["ci95"] else None
        mark = direction(line["difference"], 0.0) if line["beyond"] else ""
        apart = number(line["difference"], ci95, mark, signed=True, digits=digits)
        told_of = (
            line["row"],
            line["study"],
            line["cell"],
            line["metric"],
            "" if line["paired"] else "unpaired",
        )
        rows.append(
            (
                *map(words, told_of),
                *(number(line[side], digits=digits) for side in ("before", "after")),
                apart,
            )
        )
    titles = ("Row", "Study", "Cell", "Metric", "Pairs", "before", "after", "difference")
    return Table(
        "Every cell that has other results",
        tuple(map(Column, titles)),
        tuple(rows),
        "▲ and ▼ mark differences beyond chance.",
        style="wrapped",
    )
