"""Line figures: accuracy against shots and distance, and what trainings and searches did, as SVG bytes.

Rows and datasets are drawn in the order of their study. Published values are hollow markers, and only drawn
for datasets that are the published ones.
"""

from typing import TYPE_CHECKING

import pandas as pd

from farfield.report.dots import published_values
from farfield.report.figure_style import FAINT, INK, PALETTE, SHOT_COLOURS, hollow, look, panels, style, svg
from farfield.results.families import FewShotStudy, SharingStudy, TuningStudy
from farfield.results.findings import Findings
from farfield.results.headings import TASKS
from farfield.results.inputs import labelled
from farfield.results.scores import place

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SEARCHED = {
    "loss": "Losses, weights",
    "policy_loss": "Losses, policy",
    "temperature": "Temperature",
    "sparsity": "Sparsity loss",
    "sharing": "Sharing loss",
    "logit_gradient": "Gradient of logits",
}


def accuracy_by_shot(found: Findings[FewShotStudy]) -> bytes:
    """Accuracy against shots: a row of panels a family of methods, a column a dataset.

    With one dataset its families stand side by side. Each panel repeats the other families as faint
    lines, so that panels can be compared.
    """
    study, summary = found.study, _placed(found.summary)
    families, names = _families(study, summary), study.shown_datasets
    one = len(names) == 1
    with style():
        if one:
            figure, grid = panels(1, len(families), width=3.2, height=4.2)
            axes = [[ax] for ax in grid[0]]
        else:
            figure, axes = panels(len(families), len(names), width=2.5, height=2.6)
        for row, (family, members) in zip(axes, families.items(), strict=True):
            for ax, name in zip(row, names, strict=True):
                own = summary[summary["dataset"] == name]
                _family(ax, study, own, members, own["shot"])
                _shot_axis(ax, sorted(set(own["shot"])))
                for i, method in enumerate(members):
                    ran = set(own.loc[own["row"] == method, "shot"])
                    theirs = published_values(study, method, name, ran)
                    ax.plot(theirs["shot"], theirs["accuracy"], **hollow(i))
            if one:
                row[0].set_title(family)
                row[0].set_xlabel("shots")
                _legend_below(row[0], inches=0.5)
            else:
                _legend(row, family)
        if one:
            axes[0][0].set_ylabel(f"accuracy on {labelled(study.datasets[names[0]])} (%)")
        else:
            _label_grid(axes, [labelled(study.datasets[name]) for name in names], "shots", "accuracy (%)")
        _share_heights(axes)
        return svg(figure)


def _shot_axis(ax: "Axes", shots: list[int]) -> None:
    from matplotlib.ticker import NullLocator

    ax.set_xscale("log")
    ax.set_xticks(shots, [str(shot) for shot in shots])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.margins(x=0.12)


def accuracy_by_distance(found: Findings[FewShotStudy], shot: int, chance: float) -> bytes:
    """Accuracy at one shot as datasets leave natural images, a panel a family, with the chance level."""
    study, summary = found.study, _placed(found.summary)
    summary = summary[summary["shot"] == shot]
    families = _families(study, summary)
    names = [key for key in study.datasets if key in set(summary["dataset"])]
    places = summary["dataset"].map(names.index)
    labels = [labelled(study.datasets[name]) for name in names]
    with style():
        figure, axes = panels(1, len(families), width=max(3.8, 8 / len(families)), height=5.2)
        for ax, (family, members) in zip(axes[0], families.items(), strict=True):
            _family(ax, study, summary, members, places)
            ax.axhline(chance, color=INK, linewidth=0.8, linestyle=(0, (2, 3)))
            ax.annotate("chance", (0, chance), (2, 3), textcoords="offset points", fontsize=8)
            ax.set_xticks(range(len(names)), labels, rotation=35, ha="right", rotation_mode="anchor")
            ax.set_title(family)
            ax.margins(x=0.06)
            _legend_below(ax, inches=1.15)
        axes[0][0].set_ylabel(f"accuracy at {shot} shots (%)")
        _share_heights([[ax] for ax in axes[0]])
        return svg(figure)


def _placed(summary: pd.DataFrame) -> pd.DataFrame:
    """With the dataset and shot of each cell."""
    places = [place(cell) for cell in summary["cell"]]
    return summary.assign(dataset=[name for name, _ in places], shot=[shot for _, shot in places])


def _families(study: FewShotStudy, summary: pd.DataFrame) -> dict[str, list[str]]:
    """The rows of `summary` by family."""
    families: dict[str, list[str]] = {}
    for key in study.shown_rows:
        if key in set(summary["row"]):
            families.setdefault(study.rows[key]["family"], []).append(key)
    return families


def _family(
    ax: "Axes", study: FewShotStudy, lines: pd.DataFrame, members: list[str], places: pd.Series
) -> None:
    """`members` with intervals, and all other rows of `lines` as faint lines; places: where each value stands."""
    lines = lines.assign(place=places)
    by_row = dict(list(lines.groupby("row", sort=False)))
    for row, own in by_row.items():
        if row not in members:
            ax.plot(own["place"], own["mean"], color=FAINT, linewidth=0.9, zorder=1)
    for i, row in enumerate(members):
        own = by_row.get(row, lines[:0])
        ax.errorbar(own["place"], own["mean"], own["ci95"], label=study.title_of(row), **look(i))


def _legend_below(ax: "Axes", inches: float) -> None:
    """A legend at a fixed distance: one in shares of the panel would grow with it and leave the figure."""
    from matplotlib.transforms import ScaledTranslation

    figure = ax.figure
    below = ax.transAxes + ScaledTranslation(0, -inches, figure.dpi_scale_trans)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0), bbox_transform=below, ncols=2)


def _legend(row: "list[Axes]", family: str) -> None:
    handles, labels = row[0].get_legend_handles_labels()
    legend = row[-1].legend(handles, labels, loc="upper left", bbox_to_anchor=(1.03, 1.0), title=family)
    legend.set_alignment("left")


def _label_grid(axes: "list[list[Axes]]", headings: list[str], below: str, beside: str) -> None:
    for ax, heading in zip(axes[0], headings, strict=True):
        ax.set_title(heading)
    for ax in axes[-1]:
        ax.set_xlabel(below)
    for row in axes:
        row[0].set_ylabel(beside)


def _share_heights(axes: "list[list[Axes]]") -> None:
    """Give the panels of each column one range of accuracies."""
    for column in zip(*axes, strict=True):
        limits = [ax.get_ylim() for ax in column]
        for ax in column:
            ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))


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


def entropy_curves(curves: pd.DataFrame, study: TuningStudy) -> bytes:
    """Entropy of the policy against epochs of training, a line a dataset, below that of a fair coin.

    curves: columns dataset, epoch, policy_entropy (bits), of one method.
    """
    with style():
        figure, ((ax,),) = panels(1, 1, width=6.0, height=2.7)
        for i, name in enumerate(key for key in study.datasets if key in set(curves["dataset"])):
            own = curves[curves["dataset"] == name]
            drawn = {key: value for key, value in look(i).items() if key in ("color", "linestyle")}
            ax.plot(own["epoch"], own["policy_entropy"], label=labelled(study.datasets[name]), **drawn)
        ax.axhline(1, color=INK, linewidth=0.8, linestyle=(0, (2, 3)))
        ax.annotate("fair coin", (curves["epoch"].min(), 1), (0, 3), textcoords="offset points", fontsize=8)
        ax.set_ylim(0, 1.12)
        against_epochs(ax, "Entropy of a decision (bits)")
        ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        return svg(figure)


def search_curves(study: SharingStudy, history: pd.DataFrame) -> bytes:
    """What a search trains with and ends in: losses of tasks, temperature, and what else the history
    holds."""
    shown = [name for name in _SEARCHED if name in history]
    with style():
        figure, (axes,) = panels(1, len(shown), width=2.4, height=2.0)
        for ax, name in zip(axes, shown, strict=True):
            by_task = name in ("loss", "policy_loss")
            for i, task in enumerate(study.tasks if by_task else study.tasks[:1]):
                own = history[history["task"] == task].drop_duplicates("alternation")
                drawn = {key: value for key, value in look(i).items() if key in ("color", "linestyle")}
                ax.plot(own["alternation"], own[name], label=TASKS[task], **drawn)
            against_epochs(ax, _SEARCHED[name], "alternation")
        if "loss" in shown:
            handles, labels = axes[shown.index("loss")].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower left", ncols=len(study.tasks))
        return svg(figure)


def against_epochs(ax: "Axes", title: str, unit: str = "epoch") -> None:
    """Title and horizontal axis of a panel whose curves run over epochs or another unit."""
    from matplotlib.ticker import MaxNLocator

    ax.set_title(title)
    ax.set_xlabel(unit)
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
