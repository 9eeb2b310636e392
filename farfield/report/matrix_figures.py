"""Differences between all methods as coloured squares, as SVG bytes."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from farfield.report.figure_data import Datasets, Methods
from farfield.report.figure_style import INK, panels, set_panel_title, style, svg
from farfield.report.tables import SIGNIFICANT
from farfield.results.inputs import labelled

_COLUMNS = 2


def difference_matrices(
    frames: Mapping[str, pd.DataFrame], keys: list[str], methods: Methods, datasets: Datasets
) -> bytes:
    """A panel a dataset: row minus column, averaged over shots; a dot where it differs significantly.

    frames: by dataset, with the columns POOLED_COLUMNS of `farfield.results.comparisons`.
    """
    greatest = max((frame["difference"].abs().max() for frame in frames.values()), default=0.0)
    columns = min(_COLUMNS, len(frames))
    titles = [f"{methods[key]['title']}  {i}" for i, key in enumerate(keys, 1)]
    size = 0.165 * len(keys) + 0.9
    with style():
        figure, axes = panels(-(-len(frames) // columns), columns, width=size + 0.7, height=size)
        flat = [ax for row in axes for ax in row]
        for ax in flat[len(frames) :]:
            ax.set_visible(False)
        for i, (name, frame) in enumerate(frames.items()):
            ax = flat[i]
            values, certain = matrix(frame, keys)
            image = ax.pcolormesh(values, cmap="RdBu", vmin=-greatest, vmax=greatest)
            rows, others = np.nonzero(certain)
            ax.plot(others + 0.5, rows + 0.5, linestyle="none", marker=".", markersize=2.2, color=INK)
            set_panel_title(ax, labelled(datasets[name]))
            ax.grid(visible=False)
            ax.set_aspect("equal")
            ax.invert_yaxis()
            places = np.arange(len(keys)) + 0.5
            ax.set_xticks(places, [str(number) for number in range(1, len(keys) + 1)], fontsize=6.5)
            ax.set_yticks(places, titles if i % columns == 0 else [""] * len(keys), fontsize=7.5)
            ax.tick_params(length=0)
        bar = figure.colorbar(image, ax=flat, shrink=0.5, label="row − column (points)")
        assert bar.solids is not None
        bar.solids.set_rasterized(False)  # shades as vectors too: an SVG holds no pictures
        return svg(figure)


def matrix(frame: pd.DataFrame, keys: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """(row minus column [n, n] with NaN where none, bool [n, n] significant) of pairs of methods."""
    values = np.full((len(keys), len(keys)), np.nan)
    certain = np.zeros_like(values, dtype=bool)
    place = {key: i for i, key in enumerate(keys)}
    for row in frame.to_dict("records"):
        i, j = place[row["method"]], place[row["other"]]
        values[i, j], values[j, i] = row["difference"], -row["difference"]
        certain[i, j] = certain[j, i] = row["holm"] < SIGNIFICANT
    return values, certain
