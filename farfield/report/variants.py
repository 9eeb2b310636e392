"""A claim judged again with a row that decides it trained by other settings: as a table and as dots."""

from farfield.report.cells import Cell, Column, Table, words
from farfield.report.claims_tables import MARKS, difference_cell
from farfield.report.dots import method_rows
from farfield.report.figure_style import INK, look, panels, style, svg
from farfield.report.site import Picture
from farfield.results.claims import Judged, Varied


def variants_table(judged: Judged) -> Table:
    """A variant a row."""
    titles = ("Setting", "With it", "The row itself", "Cells", "Episodes", "Verdict with it")
    return Table(
        caption="With other settings",
        columns=tuple(map(Column, titles)),
        rows=tuple(map(_row, judged.variants)),
        note="Both differences are over the cells and episodes that the row and its variant answered; episodes "
        "are the fewest of a cell. Nothing was chosen by these numbers.",
    )


def _row(one: Varied) -> tuple[Cell, ...]:
    varied, verdict = one.variant.first, one.variant.verdict
    episodes = varied.whole.units if varied.whole else 0
    return (
        words(f"{one.row}: {one.title}"),
        difference_cell(varied.whole, marked=False),
        difference_cell(one.itself.first.whole, marked=False),
        Cell(str(len(varied.parts)), value=len(varied.parts)),
        Cell(f"{episodes} in a half" if varied.halves else str(episodes), value=episodes),
        Cell(verdict, value=verdict, kind=MARKS.get(verdict, "text")),
    )


def variants_picture(judged: Judged, slug: str, name: str) -> Picture:
    """The table as dots with intervals around a line at zero. slug: of the file; name: the study's part."""
    sides = {
        "with other settings": [one.variant for one in judged.variants],
        "the row itself": [one.itself for one in judged.variants],
    }
    with style():
        figure, ((ax,),) = panels(1, 1, width=6.0, height=0.3 * len(judged.variants) + 1.2)
        ax.axvline(0, color=INK, linewidth=0.8)
        for i, (label, side) in enumerate(sides.items()):
            wholes = [one.first.whole for one in side if one.first.whole]
            means = [whole.difference for whole in wholes]
            reach = [whole.ci95 or 0.0 for whole in wholes]
            places = [row + 0.26 * (i - 0.5) for row in range(len(wholes))]
            ax.errorbar(means, places, xerr=reach, label=label, **look(i) | {"linestyle": "none"})
        ax.grid(axis="y", visible=False)
        ax.set_xlabel(f"{judged.first.title} (points)")
        method_rows([ax], [f"{one.row}: {one.title}" for one in judged.variants], above=0.7)
        figure.legend(*ax.get_legend_handles_labels(), loc="outside upper left", ncols=2)
        drawn = svg(figure)
    return Picture(
        f"figures/{slug}.svg",
        f"Dots with intervals: {judged.first.title} with other settings. {name}.",
        "",
        drawn,
        wide=False,
    )
