"""A claim judged again with the row that it takes trained by other settings: as a table and as dots."""

from collections.abc import Mapping

from farfield.report.cells import Cell, Column, Kind, Table, number, words
from farfield.report.dots import method_rows
from farfield.report.figure_style import INK, look, panels, style, svg
from farfield.report.site import Picture
from farfield.results.claims import Judged


def variants_table(judged: Judged, kinds: Mapping[str, Kind]) -> Table:
    """A setting a row. kinds: the marks of verdicts."""
    rows = []
    for title, (value, before) in judged.variants.items():
        verdict = value.within(judged.claim.margin) if value.enough else "not enough episodes"
        cells = (
            words(title),
            number(value.difference, value.ci95, signed=True),
            number(before.difference, before.ci95, signed=True),
            Cell(str(value.units), value=value.units),
            Cell(verdict, value=verdict, kind=kinds.get(verdict, "text")),
        )
        rows.append(cells)
    titles = ("Setting", "Difference", "As in the tables", "Episodes a cell", "Verdict")
    return Table(
        caption="With other settings, over the cells that these answered",
        columns=tuple(map(Column, titles)),
        rows=tuple(rows),
        note="As in the tables: the same difference with the row of the tables, on the same episodes. Nothing "
        "was chosen by these numbers.",
    )


def variants_picture(judged: Judged, slug: str, name: str) -> Picture:
    """The table as dots with intervals around a line at zero. slug: of the file; name: the study's part."""
    sides = zip(*judged.variants.values(), strict=True)
    with style():
        figure, ((ax,),) = panels(1, 1, width=6.0, height=0.3 * len(judged.variants) + 1.2)
        ax.axvline(0, color=INK, linewidth=0.8)
        for i, (label, values) in enumerate(zip(("with it", "as in the tables"), sides, strict=True)):
            means = [value.difference for value in values]
            reach = [value.ci95 or 0.0 for value in values]
            places = [row + 0.26 * (i - 0.5) for row in range(len(values))]
            ax.errorbar(means, places, xerr=reach, label=label, **look(i) | {"linestyle": "none"})
        ax.grid(axis="y", visible=False)
        ax.set_xlabel(f"{judged.first.title} (points)")
        method_rows([ax], list(judged.variants), above=0.7)
        figure.legend(*ax.get_legend_handles_labels(), loc="outside upper left", ncols=2)
        drawn = svg(figure)
    return Picture(
        f"figures/{slug}.svg",
        f"Dots with intervals: {judged.first.title} with other settings. {name}.",
        "",
        drawn,
        wide=False,
    )
