"""Figures of training, as SVG bytes."""

from typing import TYPE_CHECKING

import pandas as pd

from farfield.report.figure_style import PALETTE, SHOT_COLOURS, panels, style, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
        against_epochs(loss, "loss")
        against_epochs(accuracy, "accuracy (%)")
        return svg(figure)


def meta_training_curves(curve: pd.DataFrame) -> bytes:
    """Loss of training, and accuracy on held-out classes with its interval, a line a number of shots."""
    with style():
        figure, ((loss, accuracy),) = panels(1, 2, width=2.6, height=2.0)
        for i, (shot, own) in enumerate(curve.groupby("shot")):
            colour = SHOT_COLOURS[i % len(SHOT_COLOURS)]
            loss.plot(own["epoch"], own["train_loss"], color=colour)
            known = own[own["validation_accuracy"].notna()]
            accuracy.plot(known["epoch"], known["validation_accuracy"], color=colour, label=f"{shot}-shot")
            low, high = (known["validation_accuracy"] + sign * known["validation_ci95"] for sign in (-1, 1))
            accuracy.fill_between(known["epoch"], low, high, color=colour, alpha=0.18, linewidth=0)
        accuracy.legend(loc="lower right")
        against_epochs(loss, "training loss")
        against_epochs(accuracy, "validation accuracy (%)")
        return svg(figure)


def against_epochs(ax: "Axes", title: str) -> None:
    """Title and horizontal axis of a panel whose curves run over epochs."""
    from matplotlib.ticker import MaxNLocator

    ax.set_title(title)
    ax.set_xlabel("epoch")
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
