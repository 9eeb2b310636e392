"""What is said of a user's images: report.md and evaluation.csv."""

import numpy as np
import pandas as pd
from tabulate import tabulate

from farfield.networks.cards import NetworkCard
from farfield.own.images import OwnImages
from farfield.own.probes import PLAIN, Probes
from farfield.probing.evaluation import Tested
from farfield.probing.measures import difference


def most_frequent(own: OwnImages) -> float:
    """The accuracy of naming always the largest class, in percent."""
    return 100 * max(own.counts.values()) / len(own.labels)


def answer(probes: Probes, card: NetworkCard) -> list[str]:
    """The first paragraphs of report.md: what the classifier that is written does on images it has not seen."""
    own, chosen = probes.own, probes.chosen
    measures = chosen.measures
    frequent = most_frequent(own)
    plain = max(
        (one for one in probes.tested if one.candidate.key in PLAIN), key=lambda one: one.right.mean()
    )
    gap, half = difference(chosen.right, plain.right)
    beaten = gap > half and measures.accuracy - measures.ci95 > frequent
    first = (
        f"**The classifier in `classifier/` names {measures.accuracy:.1f} ± {measures.ci95:.1f} % of new images "
        f"correctly**, balanced over classes {measures.balanced:.1f} %; always saying the largest class is "
        f"right in {frequent:.1f} %."
    )
    if not beaten:
        first = (
            f"**No network beats plain pixels on these images** ({plain.candidate.title}: "
            f"{plain.measures.accuracy:.1f} %). {first}"
        )
    rows = [
        (
            one.candidate.title,
            f"{one.measures.accuracy:.1f} ± {one.measures.ci95:.1f} %",
            f"{one.measures.balanced:.1f} %",
            f"{one.measures.macro_f1:.1f} %",
            f"{one.candidate.cost:.2g}",
            _against(chosen, one),
        )
        for one in sorted(probes.tested, key=lambda one: -one.measures.accuracy)
    ]
    headers = ["classifier", "accuracy", "balanced", "macro F1", "seconds an image", "minus the one written"]
    recall = [
        (name, count, f"{value:.1f} %")
        for (name, count), value in zip(own.counts.items(), measures.recall, strict=True)
    ]
    return [
        first,
        f"It is {chosen.candidate.title} (pretrained on {card.pretrained_on}) under logistic regression, the "
        f"cheapest network that these images do not tell from the most accurate. Every image was asked of "
        f"classifiers that had not learned from it: {len(np.unique(probes.parts[0]))} parts, {len(probes.parts)} "
        f"times. The interval is for the accuracy on half as many new images of the same kind; images that "
        f"belong together, as of one patient, make it too good.",
        tabulate(rows, headers, tablefmt="github", disable_numparse=True),
        f"Its logits are divided by a temperature of {measures.temperature:.2f}: the expected calibration error "
        f"is {measures.ece_calibrated:.1f} points, {measures.ece:.1f} without.",
        tabulate(recall, ["class", "images", "found again"], tablefmt="github", disable_numparse=True),
    ]


def _against(chosen: Tested, one: Tested) -> str:
    if one is chosen:
        return ""
    gap, half = difference(one.right, chosen.right)
    return f"{gap:+.1f} ± {half:.1f}"


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
