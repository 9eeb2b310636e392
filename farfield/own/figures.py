"""Figures of the page about a user's images, as SVG bytes."""

from itertools import pairwise

import numpy as np

from farfield.own.left_out import LeftOut
from farfield.probing.diagnosis import LearningCurve, PredictionSets
from farfield.probing.intervals import wilson
from farfield.report.figure_style import FAINT, INK, PALETTE, panels, style, svg

DIGITS, NAMED = 16, 60  # classes with digits in the cells; with names at the axes
LETTERS = 22
BINS = 10
_ON_LIGHT = "#16324a"


def shortened(name: str) -> str:
    return name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"


def confusion_matrix(confusion: np.ndarray, class_names: tuple[str, ...]) -> bytes:
    """int [classes, classes], truth by answer, as percent of each truth."""
    count = len(class_names)
    percent = 100 * confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    cell = 0.42 if count <= DIGITS else 0.2 if count <= NAMED else 7 / count
    names = [shortened(name) for name in class_names]
    room = 0.075 * max(map(len, names)) + 0.7 if count <= NAMED else 0.6
    with style():
        figure, ((ax,),) = panels(1, 1, width=cell * count + room, height=cell * count + room)
        lines = {"edgecolors": "white", "linewidth": 1.0} if count <= NAMED else {"rasterized": True}
        ax.pcolormesh(percent, cmap="Blues", vmin=0, vmax=115, **lines)
        if count <= DIGITS:
            for (row, column), value in np.ndenumerate(percent):
                if round(value):
                    colour = "white" if value > 60 else _ON_LIGHT
                    ax.text(
                        column + 0.5,
                        row + 0.5,
                        f"{value:.0f}",
                        ha="center",
                        va="center",
                        color=colour,
                        fontsize=8,
                    )
        if count <= NAMED:
            places = np.arange(count) + 0.5
            size = 8.5 if count <= DIGITS else 6.5
            ax.set_xticks(places, names, rotation=60, ha="right", rotation_mode="anchor", fontsize=size)
            ax.set_yticks(places, names, fontsize=size)
        ax.set(xlabel="named as", ylabel="class")
        ax.tick_params(length=0)
        ax.grid(visible=False)
        ax.set_aspect("equal")
        ax.invert_yaxis()
        return svg(figure)


def reliability_curve(found: LeftOut) -> bytes:
    """Share of right answers by the probability that was said, with 95 % intervals; below it, how often that
    was."""
    right, places = found.answers == found.labels, np.minimum((found.confidence * BINS).astype(int), BINS - 1)
    with style():
        figure, ((ax,), (below,)) = panels(2, 1, width=4.6, height=2.1)
        ax.plot([0, 100], [0, 100], color=FAINT, linewidth=1.2)
        for place in np.unique(places):
            inside = places == place
            said, share = found.confidence[inside].mean(), right[inside].mean()
            low, high = wilson(share, inside.sum())
            reach = [[100 * (share - low)], [100 * (high - share)]]
            ax.errorbar(100 * said, 100 * share, reach, fmt="o", color=PALETTE[0], elinewidth=1.1, zorder=3)
        counts = np.bincount(places, minlength=BINS)
        below.bar((np.arange(BINS) + 0.5) * 100 / BINS, counts, 100 / BINS - 1, color=PALETTE[0], zorder=3)
        ax.set(xlim=(0, 100), ylim=(0, 102), ylabel="right (%)")
        below.set(xlim=(0, 100), xlabel="probability that was said (%)", ylabel="images")
        below.xaxis.label.set_color(INK)
        return svg(figure)


def learning_curve(curve: LearningCurve, images: int) -> bytes:
    """Accuracy by the number of images learned from, and the law through it."""
    law = np.geomspace(curve.sizes[0] * 0.8, 4 * images, 60)
    reached = curve.limit - curve.factor * law**-curve.power
    with style():
        figure, ((ax,),) = panels(1, 1, width=5.2, height=3.1)
        known = law <= images
        ax.plot(law[known], reached[known], color=PALETTE[0])
        ax.plot(law[~known], reached[~known], color=PALETTE[0], linestyle="--", linewidth=1.2)
        ax.errorbar(
            curve.sizes, curve.accuracy, curve.ci95, fmt="o", color=PALETTE[0], elinewidth=1.1, zorder=3
        )
        ax.set_xscale("log")
        shown = sorted({round(float(size)) for size in (*curve.sizes, images, 4 * images)})
        apart = [shown[0], *(b for a, b in pairwise(shown) if b > 1.25 * a)]
        ax.set_xticks(apart, [str(size) for size in apart])
        ax.minorticks_off()
        ax.set(xlabel="images learned from", ylabel="accuracy (%)")
        return svg(figure)


def set_sizes(sets: PredictionSets) -> bytes:
    """Percent of images by the number of classes in their set."""
    last = int(np.flatnonzero(sets.sizes).max())
    shares = 100 * sets.sizes[: last + 1] / sets.sizes.sum()
    with style():
        figure, ((ax,),) = panels(1, 1, width=4.6, height=2.1)
        ax.bar(np.arange(last + 1), shares, 0.8, color=PALETTE[0], zorder=3)
        ax.set_xticks(np.arange(0, last + 1, -(-(last + 1) // 12)))
        ax.set(xlabel="classes in the set", ylabel="images (%)")
        return svg(figure)
