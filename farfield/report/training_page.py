"""The page on how the networks behind the methods were trained."""

from collections.abc import Mapping
from typing import Any

from farfield.report.answers import Answer, counted
from farfield.report.cells import EMPTY, Cell, Column, Table, number, words
from farfield.report.curves import meta_training_curves, training_curves
from farfield.report.site import Page, Picture, anchor, assets_of
from farfield.results.inputs import MetaTraining, Training


def training_page(sources: Mapping[str, Training], meta: Mapping[str, MetaTraining]) -> Page:
    """Meta-learners on held-out classes of their source, and the curves of all trainings, by name."""
    shown = [(name, training.final, _picture(name, training)) for name, training in sources.items()]
    learned = [(training, _meta_picture(key, training)) for key, training in meta.items()]
    table = meta_table(meta) if meta else None
    context = {"sources": shown, "meta": learned, "table": table}
    assets = assets_of([*(picture for *_, picture in shown), *(picture for _, picture in learned)])
    return Page("training", "Training", "training.html.j2", context, assets, answer=_answer(meta))


def _answer(meta: Mapping[str, MetaTraining]) -> Answer | None:
    """How many meta-learners learned anything, and the one that learned most."""
    known = [
        (final["trained_accuracy"] - final["untrained_accuracy"], shot, training.title, final)
        for training in meta.values()
        for shot, final in training.final.items()
        if {"trained_accuracy", "untrained_accuracy"} <= set(final)
    ]
    if not known:
        return None
    above = sum(gain > final["trained_ci95"] + final["untrained_ci95"] for gain, *_, final in known)
    _, shot, title, final = max(known, key=lambda one: one[:3])
    gain = f"from {final['untrained_accuracy']:.1f} to {final['trained_accuracy']:.1f} %"
    said = (
        f"{above} of {len(known)} trainings of meta-learners made them better on held-out classes of their "
        f"source, beyond both intervals; most gained {title} at {shot} shots, {gain}."
    )
    return counted("training", "Training", said)


def meta_table(meta: Mapping[str, MetaTraining]) -> Table:
    """Accuracy on episodes of held-out source classes, untrained and trained; a meta-learner a row."""
    shots = sorted({shot for training in meta.values() for shot in training.final})
    rows = []
    for training in meta.values():
        cells = [words(training.title)]
        for shot in shots:
            final = training.final.get(shot, {})
            cells += [_accuracy(final, name) for name in ("untrained", "trained")]
        rows.append(tuple(cells))
    return Table(
        caption="Meta-learners on held-out classes of their source: accuracy in percent, 95 % intervals",
        columns=(
            Column("Method"),
            *(Column(title, f"{shot}-shot") for shot in shots for title in ("untrained", "trained")),
        ),
        rows=tuple(rows),
        note="A meta-learner is trained anew for each number of shots. Without a gain here, its row in the "
        "tables says how it was trained rather than how it transfers.",
    )


def _accuracy(final: Mapping[str, Any], name: str) -> Cell:
    if f"{name}_accuracy" not in final:
        return EMPTY
    return number(final[f"{name}_accuracy"], final.get(f"{name}_ci95"))


def _picture(name: str, training: Training) -> Picture:
    return Picture(
        f"figures/training-{anchor(name)}.svg",
        f"Loss and accuracy of {name} against epochs of training.",
        "",
        training_curves(training.curve),
        wide=False,
    )


def _meta_picture(key: str, training: MetaTraining) -> Picture:
    return Picture(
        f"figures/meta-training-{anchor(key)}.svg",
        f"Loss, and accuracy on held-out classes, of {training.title} against epochs, a line a shot.",
        "",
        meta_training_curves(training.curve),
        wide=False,
    )
