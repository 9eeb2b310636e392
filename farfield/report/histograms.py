"""How much single episodes and images differ, as SVG bytes."""

import numpy as np
import pandas as pd

from farfield.report.dots import COLUMNS, TUNED, method_rows
from farfield.report.figure_style import INK, PALETTE, grid, panels, set_panel_title, style, svg
from farfield.results.families import FewShotStudy, TuningStudy
from farfield.results.inputs import labelled
from farfield.results.scores import place

# Three of the steps that the accuracy of 75 queries can take, so that no bin holds more of them.
_BINS = np.arange(-2, 107, 4)


def episode_distribution(study: FewShotStudy, shot: int) -> bytes:
    """Histograms of the accuracies of single episodes at one shot, with their medians."""
    cells = [cell for cell in study.cells if place(cell)[1] == shot]
    scores = study.scores[study.scores["cell"].isin(cells)]
    keys = [key for key in study.rows if key in set(scores["row"])]
    with style():
        width = 2.6 if len(cells) > 1 else 6.0
        figure, axes = panels(1, len(cells), width=width, height=0.34 * len(keys) + 0.9)
        for ax, cell in zip(axes[0], cells, strict=True):
            whole = scores[scores["cell"] == cell]
            for i, key in enumerate(keys):
                own = whole.loc[whole["row"] == key, "value"].to_numpy()
                if len(own):
                    counts, edges = np.histogram(own, _BINS)
                    outline = i - 0.85 * counts / counts.max()
                    ax.stairs(outline, edges, baseline=i, fill=True, color=PALETTE[0], alpha=0.6)
                    ax.plot([np.median(own)] * 2, [i, i - 0.85], color=INK, linewidth=1.4)
            set_panel_title(ax, labelled(study.datasets[str(place(cell)[0])]))
            ax.set_xlabel("accuracy (%)")
            ax.set_xlim(whole["value"].min() - 4, whole["value"].max() + 4)
        method_rows(axes[0], [study.title_of(key) for key in keys], above=0.95)
        return svg(figure)


def usage_histograms(counts: pd.DataFrame, study: TuningStudy) -> bytes:
    """How many test images run so many tuned blocks, a panel a dataset; a stroke marks the mean.

    counts: columns dataset, tuned_blocks, images, of one method.
    """
    from matplotlib.ticker import MaxNLocator

    names = [key for key in study.datasets if key in set(counts["dataset"])]
    with style():
        figure, axes = grid(len(names), COLUMNS, width=2.35, height=1.9)
        for i, (ax, name) in enumerate(zip(axes, names, strict=True)):
            own = counts[counts["dataset"] == name]
            ax.bar(own["tuned_blocks"], own["images"], width=0.86, color=TUNED)
            mean = float(np.average(own["tuned_blocks"], weights=own["images"]))
            ax.axvline(mean, color=INK, linewidth=1.0, linestyle=(0, (3, 2)))
            ax.set_xlim(-0.7, own["tuned_blocks"].max() + 0.7)
            ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
            ax.grid(axis="x", visible=False)
            set_panel_title(ax, labelled(study.datasets[name]))
            ax.set_xlabel("tuned blocks")
            if i % COLUMNS == 0:
                ax.set_ylabel("test images")
        return svg(figure)
