"""Line figures of few-shot results, each as the bytes of an SVG file.

Summaries have the columns of `farfield.episodes.statistics`; methods and datasets are drawn in the
order of their dictionaries. Published values are hollow markers, and only drawn for datasets that are
the published ones.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from farfield.report.figure_data import Datasets, Methods, present, published_values
from farfield.report.figure_style import FAINT, INK, hollow, look, panels, style, svg
from farfield.results.inputs import labelled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def accuracy_by_shot(
    summary: pd.DataFrame, published: pd.DataFrame, methods: Methods, datasets: Datasets
) -> bytes:
    """Accuracy against shots: a row of panels a family of methods, a column a dataset.

    With one dataset its families stand side by side. Each panel repeats the other families as faint
    lines, so that panels can be compared.
    """
    families, names = _families(summary, methods), present(summary, datasets)
    one = len(names) == 1
    with style():
        if one:
            figure, grid = panels(1, len(families), width=3.2, height=4.2)
            axes = [[ax] for ax in grid[0]]
        else:
            figure, axes = panels(len(families), len(names), width=2.5, height=2.6)
        for row, (family, members) in zip(axes, families.items(), strict=True):
            for ax, name in zip(row, names, strict=True):
                _shot_panel(ax, summary[summary["dataset"] == name], members, methods)
                for i, method in enumerate(members):
                    ran = set(summary.query("method == @method and dataset == @name")["shot"])
                    theirs = published_values(published, methods[method], datasets[name], ran)
                    ax.plot(theirs["shot"], theirs["accuracy"], **hollow(i))
            if one:
                row[0].set_title(family)
                row[0].set_xlabel("shots")
                _legend_below(row[0], inches=0.5)
            else:
                _legend(row, family)
        if one:
            axes[0][0].set_ylabel(f"accuracy on {labelled(datasets[names[0]])} (%)")
        else:
            _label_grid(axes, [labelled(datasets[name]) for name in names], "shots", "accuracy (%)")
        _share_heights(axes)
        return svg(figure)


def _shot_panel(ax: "Axes", cell: pd.DataFrame, members: list[str], methods: Methods) -> None:
    from matplotlib.ticker import NullLocator

    for own in _others(cell, members):
        ax.plot(own["shot"], own["accuracy"], color=FAINT, linewidth=0.9, zorder=1)
    for i, method in enumerate(members):
        own, title = cell[cell["method"] == method], methods[method]["title"]
        ax.errorbar(own["shot"], own["accuracy"], own["ci95"], label=title, **look(i))
    ax.set_xscale("log")
    shots = sorted(set(cell["shot"]))
    ax.set_xticks(shots, [str(shot) for shot in shots])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.margins(x=0.12)


def accuracy_by_distance(
    summary: pd.DataFrame, methods: Methods, datasets: Datasets, shot: int, chance: float
) -> bytes:
    """Accuracy at one shot as datasets leave natural images, a panel a family, with the chance level."""
    summary = summary[summary["shot"] == shot]
    families, names = _families(summary, methods), present(summary, datasets)
    order = {name: i for i, name in enumerate(names)}
    labels = [labelled(datasets[name]) for name in names]
    with style():
        figure, axes = panels(1, len(families), width=max(3.8, 8 / len(families)), height=5.2)
        for ax, (family, members) in zip(axes[0], families.items(), strict=True):
            for own in _others(summary, members):
                ax.plot(own["dataset"].map(order), own["accuracy"], color=FAINT, linewidth=0.9, zorder=1)
            for i, method in enumerate(members):
                own = summary[summary["method"] == method]
                place = own["dataset"].map(order)
                ax.errorbar(place, own["accuracy"], own["ci95"], label=methods[method]["title"], **look(i))
            ax.axhline(chance, color=INK, linewidth=0.8, linestyle=(0, (2, 3)))
            ax.annotate("chance", (0, chance), (2, 3), textcoords="offset points", fontsize=8)
            ax.set_xticks(range(len(names)), labels, rotation=35, ha="right", rotation_mode="anchor")
            ax.set_title(family)
            ax.margins(x=0.06)
            _legend_below(ax, inches=1.15)
        axes[0][0].set_ylabel(f"accuracy at {shot} shots (%)")
        _share_heights([[ax] for ax in axes[0]])
        return svg(figure)


def _families(frame: pd.DataFrame, methods: Methods) -> dict[str, list[str]]:
    families: dict[str, list[str]] = {}
    for key in present(frame, methods, "method"):
        families.setdefault(methods[key]["family"], []).append(key)
    return families


def _others(summary: pd.DataFrame, members: list[str]) -> Iterator[pd.DataFrame]:
    """The rows of each method that is not one of `members`, in the order of `summary`."""
    for method, own in summary.groupby("method", sort=False):
        if method not in members:
            yield own


def _legend_below(ax: "Axes", inches: float) -> None:
    """A legend at a fixed distance: one in shares of the panel would grow with it and leave the figure."""
    from matplotlib.transforms import ScaledTranslation

    figure = ax.figure
    below = ax.transAxes + ScaledTranslation(0, -inches, figure.dpi_scale_trans)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0), bbox_transform=below, ncols=2)


def _legend(row: "list[Axes]", family: str) -> None:
    handles, labels = row[0].get_legend_handles_labels()
    legend = row[-1].legend(handles, labels, loc="upper left", bbox_to_anchor=(1.03, 1.0), title=family)
    legend.set_alignment("left")


def _label_grid(axes: "list[list[Axes]]", headings: list[str], below: str, beside: str) -> None:
    for ax, heading in zip(axes[0], headings, strict=True):
        ax.set_title(heading)
    for ax in axes[-1]:
        ax.set_xlabel(below)
    for row in axes:
        row[0].set_ylabel(beside)


def _share_heights(axes: "list[list[Axes]]") -> None:
    """Give the panels of each column one range of accuracies."""
    for column in zip(*axes, strict=True):
        limits = [ax.get_ylim() for ax in column]
        for ax in column:
            ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
