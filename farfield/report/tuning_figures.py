"""Figures of fine-tuned networks and of their policies, each as the bytes of an SVG file."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from farfield.report.dot_figures import method_rows
from farfield.report.figure_data import present
from farfield.report.figure_style import INK, PALETTE, hollow, look, panels, set_panel_title, style, svg
from farfield.report.training_figures import against_epochs
from farfield.results.inputs import is_real, labelled
from farfield.results.tuning_study import TuningStudy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 5
_TUNED = PALETTE[1]  # what runs tuned is red throughout
_DARK_CELL = 60  # percent; above, digits on a cell are white


def accuracies(study: TuningStudy, summary: pd.DataFrame) -> bytes:
    """Every method as a dot with its interval over images, and a stroke for each of several trainings."""
    frame = summary.rename(columns={"accuracy": "value"})
    return _dots(study, frame, "accuracy (%)", published=True)


def differences(study: TuningStudy, paired: pd.DataFrame) -> bytes:
    """Differences to the reference around a line at zero."""
    return _dots(study, paired.rename(columns={"difference": "value"}), "difference (points)")


def policy_matrix(shares: pd.DataFrame, study: TuningStudy) -> bytes:
    """Datasets x blocks: the redder, the more test images run the tuned block; percent in the cells.

    shares: columns dataset, block, tuned (percent), of one method.
    """
    names = present(shares, study.datasets)
    wide = shares.pivot(index="dataset", columns="block", values="tuned").loc[names]
    values = wide.to_numpy()
    rows, blocks = values.shape
    with style():
        figure, ((ax,),) = panels(1, 1, width=0.46 * blocks + 2.2, height=0.42 * rows + 0.7)
        ax.pcolormesh(values, cmap="Reds", vmin=0, vmax=115, edgecolors="white", linewidth=1.5)
        for row, column in np.argwhere(np.isfinite(values)):
            share = values[row, column]
            colour = "white" if share > _DARK_CELL else "#40161a"
            place = (column + 0.5, row + 0.5)
            ax.text(*place, f"{share:.0f}", ha="center", va="center", color=colour, fontsize=8)
        ax.set_xticks(np.arange(blocks) + 0.5, [str(block) for block in wide.columns])
        ax.set_yticks(np.arange(rows) + 0.5, [labelled(study.datasets[name]) for name in names])
        ax.set_xlabel("residual block, from the image to the classifier")
        ax.tick_params(length=0)
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
        ax.invert_yaxis()
        return svg(figure)


def usage_histograms(counts: pd.DataFrame, study: TuningStudy) -> bytes:
    """How many test images run so many tuned blocks, a panel a dataset; a stroke marks the mean.

    counts: columns dataset, tuned_blocks, images, of one method.
    """
    from matplotlib.ticker import MaxNLocator

    names = present(counts, study.datasets)
    with style():
        figure, axes = _grid(len(names), width=2.35, height=1.9)
        for i, (ax, name) in enumerate(zip(axes, names, strict=True)):
            own = counts[counts["dataset"] == name]
            ax.bar(own["tuned_blocks"], own["images"], width=0.86, color=_TUNED)
            mean = float(np.average(own["tuned_blocks"], weights=own["images"]))
            ax.axvline(mean, color=INK, linewidth=1.0, linestyle=(0, (3, 2)))
            ax.set_xlim(-0.7, own["tuned_blocks"].max() + 0.7)
            ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
            ax.grid(axis="x", visible=False)
            set_panel_title(ax, labelled(study.datasets[name]))
            ax.set_xlabel("tuned blocks")
            if i % _COLUMNS == 0:
                ax.set_ylabel("test images")
        return svg(figure)


def entropy_curves(curves: pd.DataFrame, study: TuningStudy) -> bytes:
    """Entropy of the policy against epochs of training, a line a dataset, below that of a fair coin.

    curves: columns dataset, epoch, policy_entropy (bits), of one method.
    """
    with style():
        figure, ((ax,),) = panels(1, 1, width=6.0, height=2.7)
        for i, name in enumerate(present(curves, study.datasets)):
            own = curves[curves["dataset"] == name]
            drawn = {key: value for key, value in look(i).items() if key in ("color", "linestyle")}
            ax.plot(own["epoch"], own["policy_entropy"], label=labelled(study.datasets[name]), **drawn)
        ax.axhline(1, color=INK, linewidth=0.8, linestyle=(0, (2, 3)))
        ax.annotate("fair coin", (curves["epoch"].min(), 1), (0, 3), textcoords="offset points", fontsize=8)
        ax.set_ylim(0, 1.12)
        against_epochs(ax, "Entropy of a decision (bits)")
        ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        return svg(figure)


def _dots(study: TuningStudy, frame: pd.DataFrame, label: str, published: bool = False) -> bytes:
    keys, names = present(frame, study.methods, "method"), present(frame, study.datasets)
    titles = [study.methods[key]["title"] for key in keys]
    with style():
        columns = min(len(names), _COLUMNS)
        # The names of methods stand left of the first panel.
        width = max(1.9, 5.5 / columns) + 2.4 / columns
        figure, axes = _grid(len(names), width, height=0.2 * len(keys) + 1.0)
        for i, (ax, name) in enumerate(zip(axes, names, strict=True)):
            own = frame[frame["dataset"] == name]
            rows = [keys.index(key) for key in own["method"]]
            ax.errorbar(own["value"], rows, xerr=own["ci95"], **look(0) | {"linestyle": "none"})
            if published:
                _trainings(ax, study, name, keys)
                _published(ax, study, name, keys)
            else:
                ax.axvline(0, color=INK, linewidth=0.8)
            ax.grid(axis="y", visible=False)
            set_panel_title(ax, labelled(study.datasets[name]))
            ax.set_xlabel(label)
            if i % _COLUMNS == 0:
                method_rows(axes[i : i + _COLUMNS], titles, above=0.7)
        return svg(figure)


def _trainings(ax: "Axes", study: TuningStudy, dataset: str, keys: Sequence[str]) -> None:
    """A stroke for each training of the methods that have several."""
    own = study.accuracies[study.accuracies["dataset"] == dataset]
    own = own[own.groupby("method")["replicate"].transform("size") > 1]
    places = [keys.index(key) for key in own["method"]]
    ax.plot(own["accuracy"], places, linestyle="none", marker="|", markersize=9, color=_TUNED, zorder=4)


def _published(ax: "Axes", study: TuningStudy, dataset: str, keys: Sequence[str]) -> None:
    card = study.datasets[dataset]
    if not is_real(card):
        return
    theirs = study.published[study.published["dataset"] == card["published"]].set_index("method")["accuracy"]
    for row, key in enumerate(keys):
        if study.methods[key]["published"] in theirs.index:
            ax.plot(theirs[study.methods[key]["published"]], row, **hollow(0))


def _grid(count: int, width: float, height: float) -> "tuple[Figure, list[Axes]]":
    """A figure of `count` panels in rows of at most five, from left to right and down."""
    columns = min(count, _COLUMNS)
    figure, axes = panels(-(-count // columns), columns, width, height)
    flat = [ax for row in axes for ax in row]
    for ax in flat[count:]:
        ax.set_visible(False)
    return figure, flat[:count]
