"""Figures with a row a method: dots with intervals, histograms, and scores against costs, as SVG bytes.

Published values are hollow, and drawn only for datasets that are the published ones.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from farfield.report.cost_tables import mac_unit
from farfield.report.figure_style import (
    INK,
    PALETTE,
    SHOT_COLOURS,
    grid,
    hollow,
    look,
    panels,
    set_panel_title,
    style,
    svg,
)
from farfield.results.derived import OVERALL
from farfield.results.families import FewShotStudy, SharingStudy, TuningStudy
from farfield.results.findings import Findings
from farfield.results.headings import TASKS
from farfield.results.inputs import is_real, labelled
from farfield.results.scores import place
from farfield.results.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TUNED = PALETTE[1]  # what runs tuned is red throughout
COLUMNS = 5
_PARAMETERS = {
    "backbone_parameters": "backbone parameters (multiples of one)",
    "parameters": "parameters (millions)",
}
_MACS = {"backbone_macs": "backbone MACs an image", "macs": "MACs an image"}


def episode_dots(found: Findings[FewShotStudy], frame: pd.DataFrame, value: str) -> bytes:
    """Every method as a row of dots, one a shot, with intervals; a panel a dataset.

    frame: columns row, cell, ci95 and `value`: mean, with the published values beside it, or difference,
    around a line at zero.
    """
    study = found.study
    keys = [key for key in study.rows if key in set(frame["row"])]
    cells = [cell for cell in study.cells if cell in set(frame["cell"])]
    names = list(dict.fromkeys(place(cell)[0] for cell in cells))
    shots = sorted({int(place(cell)[1]) for cell in cells})
    label = f"difference to {study.title_of(study.reference)} (points)"
    height = (0.09 * len(shots) + 0.06) * len(keys) + 1.1
    with style():
        figure, axes = panels(1, len(names), width=2.6 if len(names) > 1 else 6.0, height=height)
        for ax, name in zip(axes[0], names, strict=True):
            for i, shot in enumerate(shots):
                own = frame[frame["cell"] == f"{name} {shot}-shot"]
                # Dots of one method stand a little below each other, so that intervals stay apart.
                offset = 0.7 / max(3, len(shots)) * (i - (len(shots) - 1) / 2)
                mark = {**look(i, SHOT_COLOURS), "linestyle": "none", "markersize": 3.5}
                rows = np.array([keys.index(key) for key in own["row"]]) + offset  # none: not run
                ax.errorbar(own[value], rows, xerr=own["ci95"], label=f"{shot}-shot", **mark)
                for row, key in enumerate(keys if value == "mean" else ()):
                    theirs = published_values(study, key, str(name), {shot})
                    ax.plot(theirs["accuracy"], [row + offset] * len(theirs), **hollow(i, SHOT_COLOURS))
            if value != "mean":
                ax.axvline(0, color=INK, linewidth=0.8)
            _dress(ax, labelled(study.datasets[str(name)]), "accuracy (%)" if value == "mean" else label)
        method_rows(axes[0], [study.title_of(key) for key in keys], above=0.6)
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=len(shots))
        return svg(figure)


def published_values(study: FewShotStudy, row: str, dataset: str, shots: set[int]) -> pd.DataFrame:
    """The published lines of a row at `shots`; none if `dataset` is not the published one."""
    card, table = study.datasets[dataset], study.published
    if not is_real(card):
        return table[:0]
    named = (table["method"] == study.rows[row]["published"]) & (table["dataset"] == card["published"])
    return table[named & table["shot"].isin(shots)]


def image_dots(found: Findings[TuningStudy], frame: pd.DataFrame, value: str) -> bytes:
    """Every method as a dot with its interval over images, a panel a dataset.

    frame: columns row, cell, ci95 and `value`: mean, with a stroke for each of several trainings and the
    published values, or difference, around a line at zero.
    """
    study = found.study
    keys = [key for key in study.rows if key in set(frame["row"])]
    names = [cell for cell in study.cells if cell in set(frame["cell"])]
    titles = [study.title_of(key) for key in keys]
    with style():
        columns = min(len(names), COLUMNS)
        # The names of methods stand left of the first panel.
        width = max(1.9, 5.5 / columns) + 2.4 / columns
        figure, axes = grid(len(names), COLUMNS, width, height=0.2 * len(keys) + 1.0)
        for i, (ax, name) in enumerate(zip(axes, names, strict=True)):
            _dots(ax, frame[frame["cell"] == name], keys, value, "ci95", zero=value != "mean")
            if value == "mean":
                _trainings(ax, study, name, keys)
                _published(ax, study, name, keys)
            _dress(
                ax,
                labelled(study.datasets[name]),
                "accuracy (%)" if value == "mean" else "difference (points)",
            )
            if i % COLUMNS == 0:
                method_rows(axes[i : i + COLUMNS], titles, above=0.7)
        return svg(figure)


def _trainings(ax: "Axes", study: Study, cell: str, keys: Sequence[str]) -> None:
    """A stroke for each training of the rows that have several."""
    trained = [
        (place, study.trained[key, cell, "accuracy"])
        for place, key in enumerate(keys)
        if (key, cell, "accuracy") in study.trained
    ]
    several = [(place, value) for place, own in trained if len(own) > 1 for value in own["value"]]
    places, values = [place for place, _ in several], [value for _, value in several]
    ax.plot(values, places, linestyle="none", marker="|", markersize=9, color=TUNED, zorder=4)


def _published(ax: "Axes", study: Study, cell: str, keys: Sequence[str]) -> None:
    card = study.datasets[cell]
    if not is_real(card):
        return
    theirs = study.published[study.published["dataset"] == card["published"]].set_index("method")["accuracy"]
    for row, key in enumerate(keys):
        if study.rows[key]["published"] in theirs.index:
            ax.plot(theirs[study.rows[key]["published"]], row, **hollow(0))


def delta_dots(found: Findings[SharingStudy], published: Mapping[str, Mapping[str, float]]) -> bytes:
    """Delta of every row but the constant predictor, a panel a task and one overall.

    published: of `published_deltas`, drawn hollow for a real dataset.
    """
    study, summary, keys = found.study, found.deltas.summary, _compared(found.study)
    tasks = (*study.tasks, OVERALL)
    with style():
        width = max(1.9, 6.0 / len(tasks)) + 2.0 / len(tasks)
        figure, (axes,) = panels(1, len(tasks), width, height=0.2 * len(keys) + 1.0)
        for ax, task in zip(axes, tasks, strict=True):
            own = summary[(summary["cell"] == task) & summary["row"].isin(keys)]
            _dots(ax, own.assign(std=own["std"].fillna(0)), keys, "mean", "std", zero=True)
            if is_real(study.dataset):
                for row, key in enumerate(keys):
                    theirs = published.get(study.rows[key]["published"])
                    if theirs:
                        ax.plot(theirs[task], row, **hollow(1))
            ax.grid(axis="y", visible=False)
            ax.margins(x=0.12)
            ax.set_title(TASKS.get(task, "Overall"))
            ax.set_xlabel("Δ (%)")
        method_rows(axes, [study.title_of(key) for key in keys], above=0.7)
        return svg(figure)


def delta_against_costs(found: Findings[SharingStudy]) -> bytes:
    """Delta overall against parameters and MACs, by the published convention above, of the whole model
    below."""
    study, summary = found.study, found.deltas.summary
    keys = [key for key in _compared(study) if key in study.costs]
    overall = summary[summary["cell"] == OVERALL].set_index("row")
    unit, word = mac_unit(study)
    with style():
        figure, axes = panels(2, 2, width=4.3, height=2.8)
        for row, title, parameters, macs in zip(
            axes, ("Published convention", "Whole model"), _PARAMETERS, _MACS, strict=True
        ):
            _costs(row[0], study, overall, keys, parameters, 1e6 if parameters == "parameters" else 1.0)
            _costs(row[1], study, overall, keys, macs, unit)
            row[0].set_title(title)
            row[0].set_ylabel("Δ overall (%)")
            row[0].set_xlabel(_PARAMETERS[parameters])
            row[1].set_xlabel(f"{_MACS[macs]} ({word})")
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center")
        return svg(figure)


def _costs(
    ax: "Axes", study: SharingStudy, overall: pd.DataFrame, keys: Sequence[str], column: str, unit: float
) -> None:
    ax.axhline(0, color=INK, linewidth=0.8)
    for i, key in enumerate(keys):
        mean, std = (float(overall[name][key]) for name in ("mean", "std"))
        spread = None if np.isnan(std) else std
        mark = {**look(i), "linestyle": "none", "markersize": 6}
        mark |= {"zorder": 5} if study.rows[key]["kind"] == "adashare" else {}
        ax.errorbar(study.costs[key][column] / unit, mean, yerr=spread, label=study.title_of(key), **mark)
    ax.margins(x=0.1, y=0.14)


def _compared(study: SharingStudy) -> list[str]:
    """The constant predictor would stretch every axis, and has no network."""
    return [key for key in study.shown_rows if key != study.constant]


def _dots(ax: "Axes", own: pd.DataFrame, keys: Sequence[str], value: str, spread: str, zero: bool) -> None:
    if zero:
        ax.axvline(0, color=INK, linewidth=0.8)
    rows = [keys.index(key) for key in own["row"]]
    ax.errorbar(own[value], rows, xerr=own[spread], **look(0) | {"linestyle": "none"})


def _dress(ax: "Axes", title: str, label: str) -> None:
    ax.grid(axis="y", visible=False)
    set_panel_title(ax, title)
    ax.set_xlabel(label)


def method_rows(row: "list[Axes]", titles: list[str], above: float) -> None:
    """Put methods from top to bottom on the vertical axes, named at the first."""
    for ax in row:
        ax.set_ylim(len(titles) - 0.4, -above)
        ax.set_yticks(range(len(titles)), titles if ax is row[0] else [""] * len(titles))
        ax.tick_params(axis="y", length=0)
