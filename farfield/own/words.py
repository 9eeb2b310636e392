"""What is said of a user's images, in sentences and tables, for report.md, the page and evaluation.csv."""

import numpy as np
import pandas as pd

from farfield.networks.cards import NetworkCard
from farfield.own.images import OwnImages
from farfield.own.probes import PLAIN, Probes
from farfield.probing.diagnosis import Diagnosis, Estimate, Scores
from farfield.probing.evaluation import Tested
from farfield.probing.measures import difference
from farfield.report.cells import EMPTY, Cell, Column, Table, number, words

CONFUSED = 10  # pairs of classes that are listed


def most_frequent(own: OwnImages) -> float:
    """The accuracy of naming always the largest class, in percent."""
    return 100 * max(own.counts.values()) / len(own.labels)


def within(estimate: Estimate) -> str:
    return f"{estimate.value:.1f} % (95 % interval {estimate.low:.1f} to {estimate.high:.1f} %)"


def headline(found: Diagnosis) -> str:
    seems = f"{found.scores.accuracy.value:.0f} %"
    if found.doubt:
        return f"{found.doubt.together:.0f} % of new images are named correctly, not {seems} as it seems"
    return f"{seems} of new images are named correctly"


def answer(probes: Probes, scores: Scores) -> list[str]:
    """The first sentences: what the classifier that is written does on images it has not seen."""
    frequent = most_frequent(probes.own)
    doubt = probes.diagnosis.doubt
    does = "seems to name" if doubt else "names"
    said = [
        f"The classifier in classifier/ {does} {within(scores.accuracy)} of new images correctly, balanced "
        f"over classes {within(scores.balanced)}; always saying the largest class is right in "
        f"{frequent:.1f} %."
    ]
    if doubt:
        said.append(
            f"That is too high for images of other things than these: {doubt.together:.1f} % where what seems to "
            "belong together is left out together. See what to do next."
        )
    if probes.split is not None:
        said.append(f"Fitted to all but the split test, it names {within(probes.split)} of that correctly.")
    plain = max(
        (one for one in probes.tested if one.candidate.key in PLAIN), key=lambda one: one.right.mean()
    )
    gap, half = difference(probes.chosen.right, plain.right, probes.groups)
    if gap <= half or scores.accuracy.low <= frequent:
        said.insert(
            0,
            f"No network beats plain pixels on these images ({plain.candidate.title}: "
            f"{plain.measures.accuracy:.1f} %).",
        )
    return said


def method(probes: Probes, card: NetworkCard) -> str:
    """How the classifier was chosen, how it was tested, and what the interval means."""
    parts = probes.parts
    what = "images"
    kept = "images that belong together, as of one patient, make it too narrow and the accuracy too high"
    if probes.groups is not None:
        what, kept = (
            "groups",
            f"all images of a group ({probes.diagnosis.groups} in all) are left out together",
        )
    return (
        f"{probes.why} Its network was pretrained on {card.pretrained_on}; on it stands logistic "
        "regression. Every image was asked of classifiers that had not learned from it: "
        f"{len(np.unique(parts[0]))} parts, {len(parts)} times. Intervals are for half as many new {what} "
        f"of the same kind; {kept}."
    )


def calibration(scores: Scores) -> str:
    return (
        f"Logits are divided by a temperature of {scores.temperature:.2f}. The expected calibration error is "
        f"{scores.ece_calibrated:.1f} points, {scores.ece:.1f} without."
    )


def candidates(probes: Probes) -> Table:
    """A row a candidate, the best first."""
    columns = ("classifier", "accuracy", "balanced", "macro F1", "ms an image", "minus the one written")
    rows = []
    for one in sorted(probes.tested, key=lambda one: -one.measures.accuracy):
        measures = one.measures
        rows.append(
            (
                words(one.candidate.title + (" (written)" if one is probes.chosen else "")),
                number(measures.accuracy, measures.ci95, digits=1),
                number(measures.balanced, digits=1),
                number(measures.macro_f1, digits=1),
                number(1000 * one.candidate.cost, digits=1),
                _against(probes.chosen, one, probes.groups),
            )
        )
    return Table(
        "All that were tried, accuracies in percent",
        tuple(map(Column, columns)),
        tuple(rows),
        " ".join(
            [
                "Differences are paired, image by image, with 95 % intervals.",
                *(f"Not tried: {one.candidate.title}, since {one.why}." for one in probes.skipped),
            ]
        ),
    )


def _against(chosen: Tested, one: Tested, groups: np.ndarray | None) -> Cell:
    if one is chosen:
        return EMPTY
    gap, half = difference(one.right, chosen.right, groups)
    return number(gap, half, "above" if gap > half else "below" if gap < -half else "", signed=True, digits=1)


def by_class(own: OwnImages, scores: Scores) -> Table:
    confusion = scores.confusion
    rows = []
    for label, (name, count) in enumerate(own.counts.items()):
        found, low, high = scores.recall[label]
        others = confusion[label].copy()
        others[label] = 0
        taken = EMPTY
        if others.any():
            share = 100 * others.max() / confusion[label].sum()
            taken = words(f"{own.class_names[int(others.argmax())]} ({share:.0f} %)")
        precision = scores.precision[label]
        rows.append(
            (
                words(name),
                Cell(str(count), value=count),
                Cell(f"{found:.1f}", f"{low:.0f} to {high:.0f}", found),
                EMPTY if np.isnan(precision) else number(float(precision), digits=1),
                taken,
            )
        )
    columns = ("class", "images", "found again (%)", "right when named (%)", "most often taken for")
    return Table("Class by class", tuple(map(Column, columns)), tuple(rows), style="wrapped")


def most_confused(own: OwnImages, scores: Scores) -> Table:
    """The pairs of truth and answer that happen most often."""
    confusion = scores.confusion.copy()
    np.fill_diagonal(confusion, 0)
    order = np.argsort(-confusion, axis=None, kind="stable")[:CONFUSED]
    rows = []
    for truth, named in zip(*np.unravel_index(order, confusion.shape), strict=True):
        if confusion[truth, named]:
            share = 100 * confusion[truth, named] / scores.confusion[truth].sum()
            rows.append(
                (words(own.class_names[truth]), words(own.class_names[named]), number(float(share), digits=1))
            )
    columns = ("is", "named", "of the class (%)")
    return Table("Most frequent errors", tuple(map(Column, columns)), tuple(rows), style="wrapped")


def table(probes: Probes) -> pd.DataFrame:
    """evaluation.csv: a row a candidate, the best first."""
    rows = [
        {
            "classifier": one.candidate.key,
            "title": one.candidate.title,
            "accuracy": one.measures.accuracy,
            "ci95": one.measures.ci95,
            "balanced_accuracy": one.measures.balanced,
            "macro_f1": one.measures.macro_f1,
            "ece": one.measures.ece_calibrated,
            "seconds_an_image": one.candidate.cost,
            "written": one is probes.chosen,
        }
        for one in probes.tested
    ]
    return pd.DataFrame(rows).sort_values("accuracy", ascending=False, kind="stable", ignore_index=True)
