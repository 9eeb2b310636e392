"""Figures of few-shot results and of training, each as the bytes of an SVG file.

Summaries and results have the columns of `farfield.episodes.statistics`; methods and datasets are
drawn in the order of their dictionaries. Published values are hollow markers, and only drawn for
datasets that are the published ones.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullLocator

from farfield.reporting.figure_style import FAINT, INK, MARKERS, PALETTE, SHOT_COLOURS, panels, style, svg
from farfield.reporting.inputs import Dataset, Method, is_real, labelled

Methods = Mapping[str, Method]
Datasets = Mapping[str, Dataset]
# Three of the steps that the accuracy of 75 queries can take, so that no bin holds more of them.
_BINS = np.arange(-2, 107, 4)


def accuracy_by_shot(
    summary: pd.DataFrame, published: pd.DataFrame, methods: Methods, datasets: Datasets
) -> bytes:
    """Accuracy against shots: a row of panels a family of methods, a column a dataset.

    Each panel repeats the other families as faint lines, so that rows can be compared.
    """
    families, names = _families(summary, methods), _present(summary, datasets)
    with style():
        figure, axes = panels(len(families), len(names), width=2.5, height=2.5)
        for row, (family, members) in zip(axes, families.items(), strict=True):
            for ax, name in zip(row, names, strict=True):
                cell = summary[summary["dataset"] == name]
                for own in _others(cell, members):
                    ax.plot(own["shot"], own["accuracy"], color=FAINT, linewidth=0.9, zorder=1)
                for i, method in enumerate(members):
                    own, title = cell[cell["method"] == method], methods[method]["title"]
                    ax.errorbar(own["shot"], own["accuracy"], own["ci95"], label=title, **_look(i))
                    theirs = _published(published, methods[method], datasets[name], set(own["shot"]))
                    ax.plot(theirs["shot"], theirs["accuracy"], **_hollow(i))
                ax.set_xscale("log")
                shots = sorted(set(cell["shot"]))
                ax.set_xticks(shots, [str(shot) for shot in shots])
                ax.xaxis.set_minor_locator(NullLocator())
                ax.margins(x=0.12)
            _legend(row, family)
        _label_grid(axes, [labelled(datasets[name]) for name in names], "shots", "accuracy (%)")
        _share_heights(axes)
        return svg(figure)


def accuracy_by_distance(
    summary: pd.DataFrame, methods: Methods, datasets: Datasets, shot: int, chance: float
) -> bytes:
    """Accuracy at one shot as datasets leave natural images, a panel a family, with the chance level."""
    summary = summary[summary["shot"] == shot]
    families, names = _families(summary, methods), _present(summary, datasets)
    order = {name: i for i, name in enumerate(names)}
    labels = [labelled(datasets[name]).replace(" (", "\n(") for name in names]
    with style():
        figure, axes = panels(1, len(families), width=max(3.3, 8 / len(families)), height=4.2)
        for ax, (family, members) in zip(axes[0], families.items(), strict=True):
            for own in _others(summary, members):
                ax.plot(own["dataset"].map(order), own["accuracy"], color=FAINT, linewidth=0.9, zorder=1)
            for i, method in enumerate(members):
                own = summary[summary["method"] == method]
                place = own["dataset"].map(order)
                ax.errorbar(place, own["accuracy"], own["ci95"], label=methods[method]["title"], **_look(i))
            ax.axhline(chance, color=INK, linewidth=0.8, linestyle=(0, (2, 3)))
            ax.annotate("chance", (0, chance), (2, 3), textcoords="offset points", fontsize=8)
            ax.set_xticks(range(len(names)), labels, rotation=20, ha="right")
            ax.set_title(family)
            ax.margins(x=0.06)
            ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=2)
        axes[0][0].set_ylabel(f"accuracy at {shot} shots (%)")
        _share_heights([[ax] for ax in axes[0]])
        return svg(figure)


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
    keys, names = _present(results, methods, "method"), _present(results, datasets)
    with style():
        figure, axes = panels(1, len(names), width=2.6, height=0.36 * len(keys) + 0.9)
        for ax, name in zip(axes[0], names, strict=True):
            cell = results[results["dataset"] == name]
            for i, method in enumerate(keys):
                own = cell.loc[cell["method"] == method, "accuracy"].to_numpy()
                if len(own):
                    counts, edges = np.histogram(own, _BINS)
                    outline = i - 0.85 * counts / counts.max()
                    ax.stairs(outline, edges, baseline=i, fill=True, color=PALETTE[0], alpha=0.6)
                    ax.plot([np.median(own)] * 2, [i, i - 0.85], color=INK, linewidth=1.4)
            ax.set_title(labelled(datasets[name]))
            ax.set_xlabel("accuracy (%)")
            ax.set_xlim(cell["accuracy"].min() - 4, cell["accuracy"].max() + 4)
        _method_rows(axes[0], [methods[key]["title"] for key in keys], above=0.95)
        return svg(figure)


def training_curves(curve: pd.DataFrame) -> bytes:
    """Loss, and accuracy on training and validation images, of one model against epochs."""
    with style():
        figure, ((loss, accuracy),) = panels(1, 2, width=2.6, height=2.0)
        loss.plot(curve["epoch"], curve["train_loss"], color=PALETTE[0])
        for column, colour, label in (
            ("train_accuracy", PALETTE[0], "training"),
            ("validation_accuracy", PALETTE[1], "validation"),
        ):
            known = curve[curve[column].notna()]
            if len(known):
                accuracy.plot(known["epoch"], known[column], color=colour, label=label)
        accuracy.legend(loc="lower right")
        for ax, title in ((loss, "loss"), (accuracy, "accuracy (%)")):
            ax.set_title(title)
            ax.set_xlabel("epoch")
            ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        return svg(figure)


def _dots(
    frame: pd.DataFrame,
    methods: Methods,
    datasets: Datasets,
    label: str,
    published: pd.DataFrame | None = None,
) -> bytes:
    keys, names = _present(frame, methods, "method"), _present(frame, datasets)
    shots = sorted(set(frame["shot"]))
    with style():
        figure, axes = panels(1, len(names), width=2.6, height=0.27 * len(keys) + 1.1)
        for ax, name in zip(axes[0], names, strict=True):
            for i, shot in enumerate(shots):
                cell = frame[(frame["dataset"] == name) & (frame["shot"] == shot)]
                # Dots of one method stand a little below each other, so that intervals stay apart.
                offset = 0.22 * (i - (len(shots) - 1) / 2)
                look = {**_look(i, SHOT_COLOURS), "linestyle": "none", "markersize": 3.5}
                rows = np.array([keys.index(key) for key in cell["method"]]) + offset  # none: not run
                ax.errorbar(cell["value"], rows, xerr=cell["ci95"], label=f"{shot}-shot", **look)
                if published is None:
                    continue
                for row, key in enumerate(keys):
                    theirs = _published(published, methods[key], datasets[name], {shot})
                    ax.plot(theirs["accuracy"], [row + offset] * len(theirs), **_hollow(i, SHOT_COLOURS))
            if published is None:
                ax.axvline(0, color=INK, linewidth=0.8)
            ax.grid(axis="y", visible=False)
            ax.set_title(labelled(datasets[name]))
            ax.set_xlabel(label)
        _method_rows(axes[0], [methods[key]["title"] for key in keys], above=0.6)
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=len(shots))
        return svg(figure)


def _look(i: int, colours: tuple[str, ...] = PALETTE) -> dict[str, Any]:
    colour, marker = colours[i % len(colours)], MARKERS[i % len(MARKERS)]
    return {"color": colour, "marker": marker, "elinewidth": 1.1, "zorder": 3}


def _hollow(i: int, colours: tuple[str, ...] = PALETTE) -> dict[str, Any]:
    colour, marker = colours[i % len(colours)], MARKERS[i % len(MARKERS)]
    return {
        "color": colour,
        "marker": marker,
        "markerfacecolor": "none",
        "markersize": 6,
        "linestyle": "none",
    }


def _families(frame: pd.DataFrame, methods: Methods) -> dict[str, list[str]]:
    families: dict[str, list[str]] = {}
    for key in _present(frame, methods, "method"):
        families.setdefault(methods[key]["family"], []).append(key)
    return families


def _others(summary: pd.DataFrame, members: list[str]) -> Iterator[pd.DataFrame]:
    """The rows of each method that is not one of `members`, in the order of `summary`."""
    for method, own in summary.groupby("method", sort=False):
        if method not in members:
            yield own


def _present(frame: pd.DataFrame, described: Mapping[str, object], column: str = "dataset") -> list[str]:
    found = set(frame[column])
    return [key for key in described if key in found]


def _published(published: pd.DataFrame, method: Method, dataset: Dataset, shots: set[int]) -> pd.DataFrame:
    named = (published["method"] == method["published"]) & (published["dataset"] == dataset["published"])
    return published[named & published["shot"].isin(shots) & is_real(dataset)]


def _legend(row: list[Axes], family: str) -> None:
    handles, labels = row[0].get_legend_handles_labels()
    legend = row[-1].legend(handles, labels, loc="upper left", bbox_to_anchor=(1.03, 1.0), title=family)
    legend.set_alignment("left")


def _label_grid(axes: list[list[Axes]], headings: list[str], below: str, beside: str) -> None:
    for ax, heading in zip(axes[0], headings, strict=True):
        ax.set_title(heading)
    for ax in axes[-1]:
        ax.set_xlabel(below)
    for row in axes:
        row[0].set_ylabel(beside)


def _share_heights(axes: list[list[Axes]]) -> None:
    """Give the panels of each column one range of accuracies."""
    for column in zip(*axes, strict=True):
        limits = [ax.get_ylim() for ax in column]
        for ax in column:
            ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))


def _method_rows(row: list[Axes], titles: list[str], above: float) -> None:
    """Put methods from top to bottom on the vertical axes, named at the first."""
    for ax in row:
        ax.set_ylim(len(titles) - 0.4, -above)
        ax.set_yticks(range(len(titles)), titles if ax is row[0] else [""] * len(titles))
        ax.tick_params(axis="y", length=0)
