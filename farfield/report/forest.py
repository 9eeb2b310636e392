"""A forest plot: differences with their intervals as rows of dots around a line at zero, as SVG bytes."""

from typing import TYPE_CHECKING, Any

import numpy as np

from farfield.report.dots import method_rows
from farfield.report.figure_style import FAINT, INK, PALETTE, panels, style, svg

if TYPE_CHECKING:
    import pandas as pd

BETTER, WORSE = PALETTE[0], PALETTE[1]


def forest(lines: "pd.DataFrame", label: str) -> bytes:
    """lines: columns name, difference, ci95 (NaN: no interval), beyond, from top to bottom. Those beyond chance
    are filled, in a colour for each direction and a marker for each too; the others are faint and hollow."""
    with style():
        figure, axes = panels(1, 1, width=7.0, height=0.2 * len(lines) + 0.9)
        ax = axes[0][0]
        rows = np.arange(len(lines))
        beyond = lines["beyond"].to_numpy(bool)
        above = lines["difference"].to_numpy(float) > 0
        looks: tuple[tuple[np.ndarray, dict[str, Any]], ...] = (
            (beyond & above, {"color": BETTER, "marker": "^"}),
            (beyond & ~above, {"color": WORSE, "marker": "v"}),
            (~beyond, {"color": FAINT, "marker": "o", "markerfacecolor": "none", "markeredgecolor": INK}),
        )
        for chosen, look in looks:
            own = lines[chosen]
            if len(own):
                ax.errorbar(
                    own["difference"],
                    rows[chosen],
                    xerr=own["ci95"].fillna(0.0),
                    linestyle="none",
                    elinewidth=1.1,
                    **look,
                )
        ax.axvline(0, color=INK, linewidth=0.8)
        ax.grid(axis="y", visible=False)
        ax.set_xlabel(label)
        method_rows([ax], list(lines["name"]), above=0.6)
        return svg(figure)
