"""Figures of policies over tasks and blocks, each as the bytes of an SVG file."""

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from farfield.report.figure_style import FAINT, look, panels, style, svg
from farfield.report.sharing_policies import run_shares, task_correlation
from farfield.results.sharing_headings import TASKS
from farfield.results.sharing_study import PolicyRecord, SharingStudy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DARK_CELL = 0.6  # above, digits on a cell are white
_DRAWN = 48  # alternations at most, since each square is a path of the SVG
_CELL_INK = "#40161a"  # unlike INK it stays dark on a dark page, as squares stay light
_CURVES = {
    "loss": "Losses, weights",
    "policy_loss": "Losses, policy",
    "temperature": "Temperature",
    "sparsity": "Sparsity loss",
    "sharing": "Sharing loss",
    "logit_gradient": "Gradient of logits",
}


def policy_matrix(study: SharingStudy, policy: PolicyRecord) -> bytes:
    """Tasks x blocks: the probability to run a block above, the share of samples that do below, in percent."""
    tasks, blocks = policy["select"].shape
    count = len(policy["runs"])
    sampled = "runs of one sample (%)" if count == 1 else f"share of {count} samples that run it (%)"
    panes = {"probability of running the block (%)": policy["select"], sampled: run_shares(policy)}
    with style():
        figure, axes = panels(len(panes), 1, width=0.42 * blocks + 2.2, height=0.36 * tasks + 0.95)
        for (ax,), (title, values) in zip(axes, panes.items(), strict=True):
            _squares(ax, values, [f"{100 * value:.0f}" for value in values.flat], "Reds", 0, 1.15)
            ax.set_xticks(np.arange(blocks) + 0.5, [str(block) for block in range(1, blocks + 1)])
            _name_tasks(ax, study.tasks)
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
        ax.set_xticks(np.arange(len(names)) + 0.5, names, rotation=25, ha="right", rotation_mode="anchor")
        _name_tasks(ax, study.tasks)
        return svg(figure)


def search_map(study: SharingStudy, history: pd.DataFrame) -> bytes:
    """Blocks against alternations of the search, a panel a task; red runs, blue skips, the step line opens.

    history: columns alternation, task, block (from 1), select, opened. Above the line are the blocks that the
    curriculum keeps closed, which every task runs.
    """
    drawn = _thinned(sorted(set(history["alternation"])))
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
            mesh = ax.pcolormesh(
                edges,
                np.arange(blocks + 1),
                wide.to_numpy(),
                cmap="RdBu_r",
                vmin=0.5 - reach,
                vmax=0.5 + reach,
                edgecolors="face",  # else the ground shows between squares
                linewidth=0.5,
            )
            ax.stairs(blocks - opened, edges, baseline=None, color=_CELL_INK, linewidth=1.6)
            ax.set_yticks(np.arange(blocks) + 0.5, [str(block) for block in range(1, blocks + 1)])
            ax.tick_params(length=0)
            ax.grid(visible=False)
            ax.invert_yaxis()
            ax.set_title(TASKS[task])
            ax.set_xlabel("alternation of the search")
        axes[0].set_ylabel("residual block")
        bar = figure.colorbar(mesh, ax=axes, label="probability of running")
        assert bar.solids is not None
        bar.solids.set_rasterized(False)  # shades as vectors too: an SVG holds no pictures
        return svg(figure)


def search_curves(study: SharingStudy, history: pd.DataFrame) -> bytes:
    """What a search trains with and ends in: losses of tasks, temperature, and what else the history holds."""
    from matplotlib.ticker import MaxNLocator

    shown = [name for name in _CURVES if name in history]
    with style():
        figure, (axes,) = panels(1, len(shown), width=2.4, height=2.0)
        for ax, name in zip(axes, shown, strict=True):
            by_task = name in ("loss", "policy_loss")
            for i, task in enumerate(study.tasks if by_task else study.tasks[:1]):
                own = history[history["task"] == task].drop_duplicates("alternation")
                drawn = {key: value for key, value in look(i).items() if key in ("color", "linestyle")}
                ax.plot(own["alternation"], own[name], label=TASKS[task], **drawn)
            ax.set_title(_CURVES[name])
            ax.set_xlabel("alternation")
            ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        if "loss" in shown:
            handles, labels = axes[shown.index("loss")].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower left", ncols=len(study.tasks))
        return svg(figure)


def _squares(
    ax: "Axes", values: np.ndarray, texts: Sequence[str], cmap: str, low: float, high: float
) -> None:
    ax.pcolormesh(values, cmap=cmap, vmin=low, vmax=high, edgecolors="white", linewidth=1.5)
    for (row, column), text in zip(np.ndindex(values.shape), texts, strict=True):
        colour = "white" if abs(values[row, column]) > _DARK_CELL else _CELL_INK
        ax.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=colour, fontsize=8)
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    ax.invert_yaxis()


def _name_tasks(ax: "Axes", tasks: Sequence[str]) -> None:
    ax.set_yticks(np.arange(len(tasks)) + 0.5, [TASKS[task] for task in tasks])


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


def _thinned(alternations: list[int]) -> list[int]:
    """At most `_DRAWN` of them, evenly spaced, the first with them."""
    step = -(-len(alternations) // _DRAWN)
    return alternations[::step]
