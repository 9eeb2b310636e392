"""Figures of multi-task results, each as the bytes of an SVG file."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from farfield.report.dot_figures import method_rows
from farfield.report.figure_style import INK, hollow, look, panels, style, svg
from farfield.report.sharing_costs import mac_unit
from farfield.results.inputs import is_real
from farfield.results.sharing_headings import TASKS
from farfield.results.sharing_statistics import OVERALL
from farfield.results.sharing_study import SharingStudy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PARAMETERS = {
    "backbone_parameters": "backbone parameters (multiples of one)",
    "parameters": "parameters (millions)",
}
_MACS = {"backbone_macs": "backbone MACs an image", "macs": "MACs an image"}


def delta_dots(
    study: SharingStudy, summary: pd.DataFrame, published: Mapping[str, Mapping[str, float]]
) -> bytes:
    """Delta of every row but the constant predictor, a panel a task and one overall.

    summary: of `summarise_deltas`. published: of `published_deltas`, drawn hollow for a real dataset.
    """
    keys = _compared(study)
    tasks = (*study.tasks, OVERALL)
    with style():
        width = max(1.9, 6.0 / len(tasks)) + 2.0 / len(tasks)
        figure, (axes,) = panels(1, len(tasks), width, height=0.2 * len(keys) + 1.0)
        for ax, task in zip(axes, tasks, strict=True):
            own = summary[(summary["task"] == task) & summary["method"].isin(keys)]
            rows = [keys.index(key) for key in own["method"]]
            ax.axvline(0, color=INK, linewidth=0.8)
            ax.errorbar(own["mean"], rows, xerr=own["std"].fillna(0), **look(0) | {"linestyle": "none"})
            if is_real(study.dataset):
                for row, key in enumerate(keys):
                    theirs = published.get(study.methods[key]["published"])
                    if theirs:
                        ax.plot(theirs[task], row, **hollow(1))
            ax.grid(axis="y", visible=False)
            ax.margins(x=0.12)
            ax.set_title(TASKS.get(task, "Overall"))
            ax.set_xlabel("Δ (%)")
        method_rows(axes, [study.methods[key]["title"] for key in keys], above=0.7)
        return svg(figure)


def delta_against_costs(study: SharingStudy, summary: pd.DataFrame) -> bytes:
    """Delta overall against parameters and MACs, by the published convention above, of the whole model below."""
    keys = [key for key in _compared(study) if key in study.costs]
    overall = summary[summary["task"] == OVERALL].set_index("method")
    unit, word = mac_unit(study)
    with style():
        figure, axes = panels(2, 2, width=4.3, height=2.8)
        for row, title, parameters, macs in zip(
            axes, ("Published convention", "Whole model"), _PARAMETERS, _MACS, strict=True
        ):
            _cost_panel(row[0], study, overall, keys, parameters, 1e6 if parameters == "parameters" else 1.0)
            _cost_panel(row[1], study, overall, keys, macs, unit)
            row[0].set_title(title)
            row[0].set_ylabel("Δ overall (%)")
            row[0].set_xlabel(_PARAMETERS[parameters])
            row[1].set_xlabel(f"{_MACS[macs]} ({word})")
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center")
        return svg(figure)


def _cost_panel(
    ax: "Axes", study: SharingStudy, overall: pd.DataFrame, keys: Sequence[str], column: str, unit: float
) -> None:
    costs: dict[str, dict] = {key: dict(study.costs[key]) for key in keys}
    ax.axhline(0, color=INK, linewidth=0.8)
    for i, key in enumerate(keys):
        mean, std = (float(overall[name][key]) for name in ("mean", "std"))
        spread = None if np.isnan(std) else std
        mark = {**look(i), "linestyle": "none", "markersize": 6}
        mark |= {"zorder": 5} if study.methods[key]["kind"] == "adashare" else {}
        ax.errorbar(costs[key][column] / unit, mean, yerr=spread, label=study.methods[key]["title"], **mark)
    ax.margins(x=0.1, y=0.14)


def _compared(study: SharingStudy) -> list[str]:
    """The constant predictor would stretch every axis, and has no network."""
    return [key for key in study.shown_methods if key != study.constant]
