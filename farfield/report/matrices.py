"""Figures of coloured squares: differences between all methods, and what policies decide, as SVG bytes."""

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from farfield.report.figure_style import FAINT, INK, grid, panels, set_panel_title, style, svg
from farfield.results.comparisons import SIGNIFICANT
from farfield.results.families import FewShotStudy, SharingStudy, TaskPolicy, TuningStudy
from farfield.results.findings import Findings
from farfield.results.headings import TASKS
from farfield.results.inputs import labelled
from farfield.results.policies import run_shares, task_correlation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh

_COLUMNS = 2
_DRAWN = 48  # alternations at most, since each square is a path of the SVG
_CELL_INK = "#40161a"  # unlike INK it stays dark on a dark page, as squares stay light


def difference_matrices(found: Findings[FewShotStudy]) -> bytes:
    """A panel a dataset: row minus column, averaged over shots; a dot where it differs significantly."""
    study, keys, frames = found.study, found.study.shown_rows, found.by_dataset
    greatest = max((frame["difference"].abs().max() for frame in frames.values()), default=0.0)
    titles = [f"{study.title_of(key)}  {i}" for i, key in enumerate(keys, 1)]
    size = 0.165 * len(keys) + 0.9
    with style():
        figure, axes = grid(len(frames), _COLUMNS, width=size + 0.7, height=size)
        for i, (ax, (name, frame)) in enumerate(zip(axes, frames.items(), strict=True)):
            values, certain = matrix(frame, keys)
            image = ax.pcolormesh(values, cmap="RdBu", vmin=-greatest, vmax=greatest)
            rows, others = np.nonzero(certain)
            ax.plot(others + 0.5, rows + 0.5, linestyle="none", marker=".", markersize=2.2, color=INK)
            set_panel_title(ax, labelled(study.datasets[name]))
            ax.grid(visible=False)
            ax.set_aspect("equal")
            ax.invert_yaxis()
            places = np.arange(len(keys)) + 0.5
            ax.set_xticks(places, [str(number) for number in range(1, len(keys) + 1)], fontsize=6.5)
            ax.set_yticks(places, titles if i % _COLUMNS == 0 else [""] * len(keys), fontsize=7.5)
            ax.tick_params(length=0)
        _bar(image, figure.axes, "row − column (points)", shrink=0.5)
        return svg(figure)


def matrix(frame: pd.DataFrame, keys: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """(row minus column [n, n] with NaN where none, bool [n, n] significant) of pairs of methods.

    frame: POOLED_COLUMNS of `farfield.results.comparisons`.
    """
    values = np.full((len(keys), len(keys)), np.nan)
    certain = np.zeros_like(values, dtype=bool)
    place = {key: i for i, key in enumerate(keys)}
    for row in frame.to_dict("records"):
        i, j = place[row["method"]], place[row["other"]]
        values[i, j], values[j, i] = row["difference"], -row["difference"]
        certain[i, j] = certain[j, i] = row["holm"] < SIGNIFICANT
    return values, certain


def image_policy_matrix(shares: pd.DataFrame, study: TuningStudy) -> bytes:
    """Datasets x blocks: the redder, the more test images run the tuned block; percent in the cells.

    shares: columns dataset, block, tuned (percent), of one method.
    """
    names = [key for key in study.datasets if key in set(shares["dataset"])]
    values = shares.pivot(index="dataset", columns="block", values="tuned").loc[names].to_numpy()
    rows, blocks = values.shape
    with style():
        figure, ((ax,),) = panels(1, 1, width=0.46 * blocks + 2.2, height=0.42 * rows + 0.7)
        texts = ["" if np.isnan(value) else f"{value:.0f}" for value in values.flat]
        _squares(ax, values, texts, "Reds", 0, 115, dark=60)
        _name(ax, [labelled(study.datasets[name]) for name in names], blocks)
        ax.set_xlabel("residual block, from the image to the classifier")
        return svg(figure)


def task_policy_matrix(study: SharingStudy, policy: TaskPolicy) -> bytes:
    """Tasks x blocks: the probability to run a block above, the share of samples that do below, in
    percent."""
    tasks, blocks = policy["select"].shape
    count = len(policy["runs"])
    sampled = "runs of one sample (%)" if count == 1 else f"share of {count} samples that run it (%)"
    panes = {"probability of running the block (%)": policy["select"], sampled: run_shares(policy)}
    with style():
        figure, axes = panels(len(panes), 1, width=0.42 * blocks + 2.2, height=0.36 * tasks + 0.95)
        for (ax,), (title, values) in zip(axes, panes.items(), strict=True):
            _squares(ax, values, [f"{100 * value:.0f}" for value in values.flat], "Reds", 0, 1.15)
            _name(ax, [TASKS[task] for task in study.tasks], blocks)
            _mark_stages(ax, study.stages)
            ax.set_title(title, fontweight="normal", pad=14 if study.stages else 6)
        axes[-1][0].set_xlabel("residual block, from the image to the head")
        return svg(figure)


def correlation_matrix(study: SharingStudy, select: np.ndarray) -> bytes:
    """Tasks x tasks: centred cosine of their probabilities; blue agrees, red opposes, grey is undefined."""
    values = task_correlation(select)
    names = [TASKS[task] for task in study.tasks]
    with style():
        figure, ((ax,),) = panels(1, 1, width=0.66 * len(names) + 1.6, height=0.5 * len(names) + 0.75)
        ax.set_facecolor(FAINT)
        texts = ["–" if np.isnan(value) else f"{value:.2f}".replace("-", "−") for value in values.flat]
        _squares(ax, values, texts, "RdBu", -1.2, 1.2)
        _name(ax, names)
        ax.set_xticks(np.arange(len(names)) + 0.5, names, rotation=25, ha="right", rotation_mode="anchor")
        return svg(figure)


def search_map(study: SharingStudy, history: pd.DataFrame) -> bytes:
    """Blocks against alternations of the search, a panel a task; red runs, blue skips, the step line opens.

    history: columns alternation, task, block (from 1), select, opened. Above the line are the blocks that the
    curriculum keeps closed, which every task runs.
    """
    alternations = sorted(set(history["alternation"]))
    drawn = alternations[:: -(-len(alternations) // _DRAWN)]
    own = history[history["alternation"].isin(drawn)]
    blocks = int(history["block"].max())
    reach = max(float((own["select"] - 0.5).abs().max()), 0.02)
    edges = np.append(drawn, drawn[-1] + (drawn[-1] - drawn[-2] if len(drawn) > 1 else 1))
    opened = own.groupby("alternation")["opened"].first().loc[drawn].to_numpy(float)
    with style():
        width = max(2.5, 7.0 / len(study.tasks))
        figure, (axes,) = panels(1, len(study.tasks), width, height=0.15 * blocks + 1.3)
        for ax, task in zip(axes, study.tasks, strict=True):
            wide = own[own["task"] == task].pivot(index="block", columns="alternation", values="select")
            places, values = np.arange(blocks + 1), wide.to_numpy()
            mesh = ax.pcolormesh(edges, places, values, cmap="RdBu_r", vmin=0.5 - reach, vmax=0.5 + reach)
            mesh.set(edgecolors="face", linewidth=0.5)  # else the ground shows between squares
            ax.stairs(blocks - opened, edges, baseline=None, color=_CELL_INK, linewidth=1.6)
            ax.set_yticks(np.arange(blocks) + 0.5, [str(block) for block in range(1, blocks + 1)])
            ax.tick_params(length=0)
            ax.grid(visible=False)
            ax.invert_yaxis()
            ax.set_title(TASKS[task])
            ax.set_xlabel("alternation of the search")
        axes[0].set_ylabel("residual block")
        _bar(mesh, axes, "probability of running")
        return svg(figure)


def _bar(mesh: "QuadMesh", axes: "Sequence[Axes]", label: str, shrink: float = 1.0) -> None:
    bar = axes[0].figure.colorbar(mesh, ax=axes, shrink=shrink, label=label)
    assert bar.solids is not None
    bar.solids.set_rasterized(False)  # shades as vectors too: an SVG holds no pictures


def _squares(
    ax: "Axes",
    values: np.ndarray,
    texts: Sequence[str],
    cmap: str,
    low: float,
    high: float,
    dark: float = 0.6,
) -> None:
    """dark: from this distance to zero on, digits on a cell are white."""
    ax.pcolormesh(values, cmap=cmap, vmin=low, vmax=high, edgecolors="white", linewidth=1.5)
    for (row, column), text in zip(np.ndindex(values.shape), texts, strict=True):
        if text:
            colour = "white" if abs(values[row, column]) > dark else _CELL_INK
            place = (column + 0.5, row + 0.5)
            ax.text(*place, text, ha="center", va="center", color=colour, fontsize=8, in_layout=False)
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    ax.invert_yaxis()


def _name(ax: "Axes", rows: Sequence[str], blocks: int = 0) -> None:
    ax.set_xticks(np.arange(blocks) + 0.5, [str(block) for block in range(1, blocks + 1)])
    ax.set_yticks(np.arange(len(rows)) + 0.5, rows)


def _mark_stages(ax: "Axes", stages: Sequence[int]) -> None:
    """Stages of the backbone as names above their blocks and lines between them."""
    for number, (end, count) in enumerate(zip(accumulate(stages), stages, strict=True), 1):
        place = (end - count / 2, 1)
        transform = ax.get_xaxis_transform()
        ax.annotate(
            f"stage {number}", place, (0, 2), transform, textcoords="offset points", ha="center", fontsize=7.5
        )
        if number < len(stages):
            ax.axvline(end, color=_CELL_INK, linewidth=1.4)
