"""How figures look, and how they become SVG with the same bytes on every run."""

import io
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#2b3038"
FAINT = "#cdd2d9"
# The palette of Okabe and Ito ("Color Universal Design", 2008) for colour-blind readers, without its
# yellow, which vanishes on white. The last two stand for black, as the page may itself be dark.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", INK, "#8a8f98")
TITLE_LETTERS = 18
# Never told apart by colour alone.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
# Few to many shots as one hue from light to dark would vanish on one of the two pages; these differ
# in hue and lightness, and in marker.
SHOT_COLOURS = ("#e69f00", "#009e73", "#0072b2", "#cc79a7", "#d55e00")

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "farfield",
    "svg.fonttype": "none",  # text stays text: the page's fonts, and a reader can search it
    "font.family": "DejaVu Sans",  # comes with matplotlib, so layouts do not depend on the machine
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titley": 1.0,  # nothing stands above panels that titles would have to clear
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}

# Ink and grid turn light when the page that shows the figure is dark. Rules on the style attribute
# leave the drawing itself alone, so that a viewer without style sheets shows the light figure.
_DARK = {INK: "#d9dee6", FAINT: "#434a55", "#0072b2": "#3d9bd9", "#d55e00": "#ee7b33"}
_DARK_RULES = "".join(
    f'[style*="{attribute}: {light}"]{{{attribute}:{dark}!important}}'
    for light, dark in _DARK.items()
    for attribute in ("stroke", "fill")
)
_FONTS = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',sans-serif"
_RULES = (
    f"<style>text{{font-family:{_FONTS}!important}}"
    f"@media (prefers-color-scheme:dark){{text:not([style*='fill:']){{fill:{_DARK[INK]}}}{_DARK_RULES}}}"
    "</style>"
)


def look(i: int, colours: tuple[str, ...] = PALETTE) -> dict[str, Any]:
    """How the i-th of several series is drawn; no two of the first 64 are alike."""
    again = i // len(MARKERS)  # colours come again with other markers, and dashed
    marker, line = MARKERS[(i + again) % len(MARKERS)], "--" if again % 2 else "-"
    return {
        "color": colours[i % len(colours)],
        "marker": marker,
        "linestyle": line,
        "elinewidth": 1.1,
        "zorder": 3,
    }


def hollow(i: int, colours: tuple[str, ...] = PALETTE) -> dict[str, Any]:
    """The i-th series' marker alone and unfilled, for other people's numbers."""
    shown = {key: value for key, value in look(i, colours).items() if key in ("color", "marker")}
    return {**shown, "markerfacecolor": "none", "markersize": 6, "linestyle": "none"}


def panels(rows: int, columns: int, width: float, height: float) -> "tuple[Figure, list[list[Axes]]]":
    """An empty figure of rows x columns panels, each about width x height inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, axes.tolist()


def grid(count: int, columns: int, width: float, height: float) -> "tuple[Figure, list[Axes]]":
    """A figure of `count` panels in rows of at most `columns`, from left to right and down."""
    columns = min(count, columns)
    figure, axes = panels(-(-count // columns), columns, width, height)
    flat = [ax for row in axes for ax in row]
    for ax in flat[count:]:
        ax.set_visible(False)
    return figure, flat[:count]


def set_panel_title(ax: "Axes", text: str) -> None:
    """In lines that stay within a panel of the usual width, so that neighbours do not touch."""
    ax.set_title("\n".join(textwrap.wrap(text, TITLE_LETTERS)))


def svg(figure: "Figure") -> bytes:
    """`figure` as SVG on a transparent ground, for light and dark pages, without a time stamp."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    # `savefig` would lay panels out by drawing the whole figure once more.
    FigureCanvasSVG(figure)
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            if not axis.get_label_text():
                axis.set_label_coords(0, 0)  # else all tick labels are measured to place nothing
    layout = figure.get_layout_engine()
    if layout:
        layout.execute(figure)
        figure.set_layout_engine("none")
    buffer = io.BytesIO()
    metadata = {"Date": None, "Creator": None, "Type": None, "Format": None}
    figure.savefig(buffer, format="svg", transparent=True, metadata=metadata)
    head, defs, body = buffer.getvalue().decode().partition("<defs>")
    return (head + _RULES + defs + body).encode()


@contextmanager
def style() -> Iterator[None]:
    """Within it figures have the report's style, whatever the user's own settings are."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield
