"""What accuracy costs, as a chart: every row at its cost, those that none beats at less cost named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from farfield.report.figure_style import FAINT, INK, look, panels, style, svg


@dataclass(frozen=True)
class Costed:
    """A row: its family, which it is drawn as, its cost and its accuracy in percent."""

    title: str
    family: str
    cost: float
    accuracy: float


def accuracy_against_cost(charts: Mapping[str, Sequence[Costed]]) -> bytes:
    """A panel for each of `charts`, which are named by what their costs are. Costs are drawn to a logarithmic
    scale."""
    families = list(dict.fromkeys(one.family for chart in charts.values() for one in chart))
    with style():
        figure, (axes,) = panels(1, len(charts), width=6.2 if len(charts) == 1 else 4.6, height=3.6)
        for ax, (title, chart) in zip(axes, charts.items(), strict=True):
            front = frontier(chart)
            ax.step([one.cost for one in front], [one.accuracy for one in front], where="post", color=FAINT)
            for i, family in enumerate(families):
                own = [one for one in chart if one.family == family]
                mark = {**look(i), "linestyle": "none", "markersize": 6}
                mark.pop("elinewidth")
                ax.plot([one.cost for one in own], [one.accuracy for one in own], label=family, **mark)
            for one in front:
                ax.annotate(
                    one.title,
                    (one.cost, one.accuracy),
                    (4, 4),
                    textcoords="offset points",
                    fontsize=8,
                    color=INK,
                )
            ax.set_xscale("log")
            ax.margins(x=0.12, y=0.12)
            ax.set_xlabel(title)
        axes[0].set_ylabel("mean accuracy (%)")
        if len(families) > 1:
            handles, labels = axes[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside right center")
        return svg(figure)


def frontier(chart: Sequence[Costed]) -> list[Costed]:
    """Those that no other beats at the same cost or less, the cheapest first."""
    found: list[Costed] = []
    for one in sorted(chart, key=lambda one: (one.cost, -one.accuracy)):
        if not found or one.accuracy > found[-1].accuracy:
            found.append(one)
    return found
