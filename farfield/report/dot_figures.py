"""Figures with a row a method: dots with intervals, and histograms of episodes, as SVG bytes.

Frames have the columns of `farfield.episodes.statistics` and `comparisons`; methods and datasets are
drawn in the order of their dictionaries. Published values are hollow, and drawn only for datasets that
are the published ones.
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from farfield.report.figure_data import Datasets, Methods, present, published_values
from farfield.report.figure_style import (
    INK,
    PALETTE,
    SHOT_COLOURS,
    hollow,
    look,
    panels,
    set_panel_title,
    style,
    svg,
)
from farfield.results.inputs import labelled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Three of the steps that the accuracy of 75 queries can take, so that no bin holds more of them.
_BINS = np.arange(-2, 107, 4)


def all_methods(
    summary: pd.DataFrame, published: pd.DataFrame, methods: Methods, datasets: Datasets
) -> bytes:
    """Every method as a row of dots, one a shot, with intervals; a panel a dataset."""
    return _dots(summary.rename(columns={"accuracy": "value"}), methods, datasets, "accuracy (%)", published)


def paired_differences(differences: pd.DataFrame, methods: Methods, datasets: Datasets) -> bytes:
    """Differences to the reference method, drawn like `all_methods` around a line at zero."""
    label = f"difference to {methods[differences['reference'].iloc[0]]['title']} (points)"
    return _dots(differences.rename(columns={"difference": "value"}), methods, datasets, label)


def episode_distribution(results: pd.DataFrame, methods: Methods, datasets: Datasets, shot: int) -> bytes:
    """Histograms of the accuracies of single episodes at one shot, with their medians."""
    results = results[results["shot"] == shot]
    keys, names = present(results, methods, "method"), present(results, datasets)
    with style():
        figure, axes = panels(1, len(names), width=panel_width(names), height=0.34 * len(keys) + 0.9)
        for ax, name in zip(axes[0], names, strict=True):
            cell = results[results["dataset"] == name]
            for i, method in enumerate(keys):
                own = cell.loc[cell["method"] == method, "accuracy"].to_numpy()
                if len(own):
                    counts, edges = np.histogram(own, _BINS)
                    outline = i - 0.85 * counts / counts.max()
                    ax.stairs(outline, edges, baseline=i, fill=True, color=PALETTE[0], alpha=0.6)
                    ax.plot([np.median(own)] * 2, [i, i - 0.85], color=INK, linewidth=1.4)
            set_panel_title(ax, labelled(datasets[name]))
            ax.set_xlabel("accuracy (%)")
            ax.set_xlim(cell["accuracy"].min() - 4, cell["accuracy"].max() + 4)
        method_rows(axes[0], [methods[key]["title"] for key in keys], above=0.95)
        return svg(figure)


def method_rows(row: "list[Axes]", titles: list[str], above: float) -> None:
    """Put methods from top to bottom on the vertical axes, named at the first."""
    for ax in row:
        ax.set_ylim(len(titles) - 0.4, -above)
        ax.set_yticks(range(len(titles)), titles if ax is row[0] else [""] * len(titles))
        ax.tick_params(axis="y", length=0)


def panel_width(datasets: list[str]) -> float:
    """Of a panel, in inches: a single one has room."""
    return 2.6 if len(datasets) > 1 else 6.0


def _dots(
    frame: pd.DataFrame,
    methods: Methods,
    datasets: Datasets,
    label: str,
    published: pd.DataFrame | None = None,
) -> bytes:
    keys, names = present(frame, methods, "method"), present(frame, datasets)
    shots = sorted(set(frame["shot"]))
    height = (0.09 * len(shots) + 0.06) * len(keys) + 1.1
    with style():
        figure, axes = panels(1, len(names), width=panel_width(names), height=height)
        for ax, name in zip(axes[0], names, strict=True):
            for i, shot in enumerate(shots):
                cell = frame[(frame["dataset"] == name) & (frame["shot"] == shot)]
                # Dots of one method stand a little below each other, so that intervals stay apart.
                offset = 0.7 / max(3, len(shots)) * (i - (len(shots) - 1) / 2)
                mark = {**look(i, SHOT_COLOURS), "linestyle": "none", "markersize": 3.5}
                rows = np.array([keys.index(key) for key in cell["method"]]) + offset  # none: not run
                ax.errorbar(cell["value"], rows, xerr=cell["ci95"], label=f"{shot}-shot", **mark)
                if published is None:
                    continue
                for row, key in enumerate(keys):
                    theirs = published_values(published, methods[key], datasets[name], {shot})
                    ax.plot(theirs["accuracy"], [row + offset] * len(theirs), **hollow(i, SHOT_COLOURS))
            if published is None:
                ax.axvline(0, color=INK, linewidth=0.8)
            ax.grid(axis="y", visible=False)
            set_panel_title(ax, labelled(datasets[name]))
            ax.set_xlabel(label)
        method_rows(axes[0], [methods[key]["title"] for key in keys], above=0.6)
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=len(shots))
        return svg(figure)
