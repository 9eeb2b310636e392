"""What to do next, from what was found of a user's images."""

import numpy as np

from farfield.errors import first_few
from farfield.own.images import OwnImages, counted
from farfield.probing.diagnosis import Diagnosis, Leakage, Planted

WIDE = 40.0  # points between the ends of a class's interval, beyond which it has too few images to be judged
PAIRS = 5  # of classes that are named


def next_steps(own: OwnImages, found: Diagnosis) -> list[str]:
    """Sentences, the most urgent first."""
    names, said = own.class_names, []
    said += [leak_sentence(leak) for leak in found.leakage if leak.misleading]
    twins = found.duplicates
    if contrary := int((~twins.same_class).sum()):
        said.append(
            f"{counted(contrary, 'pair', 'pairs')} of nearly the same picture with two different labels: "
            "decide on one label, or take the pictures out."
        )
    doubted = len(found.suspects.rows)
    if doubted and not found.planted.misleading:
        said.append(
            f"Look at the {counted(doubted, 'label that seems', 'labels that seem')} wrong (about "
            f"{found.suspects.expected} in all are expected to be), mend what is, and run again."
        )
    for one, other in found.same_classes.pairs[:PAIRS].tolist():
        said.append(
            f"{names[one]} and {names[other]} are told apart no better than by chance: join them, or look "
            "whether the pictures show the difference at all."
        )
    if count := len(found.outliers.rows):
        said.append(
            f"Look at the {counted(count, 'image that is', 'images that are')} unlike all others: meant to "
            "be here?"
        )
    reach = found.scores.recall[:, 2] - found.scores.recall[:, 1]
    wide = [names[i] for i in np.argsort(-reach, kind="stable") if reach[i] > WIDE]
    if wide and len(wide) < len(names):
        said.append(
            f"Too few images to judge {first_few(wide)}: the interval of how many are found "
            f"again is wider than {WIDE:.0f} points. Add images there first."
        )
    said.append(
        found.curve.sentence
        if found.curve
        else "Too few images for a learning curve: any more of each class will help."
    )
    if doubted and found.planted.misleading:
        said.append(
            f"Leave the {counted(doubted, 'label that seems', 'labels that seem')} wrong for later. "
            + planted_sentence(found.planted)
        )
    said.append("Before you rely on it, test it on images of another day, place or camera than these.")
    return said


def planted_sentence(planted: Planted) -> str:
    """How far the list of labels that seem wrong is to be trusted."""
    said = (
        f"In copies with one label in twenty changed at random, {planted.found} of the {planted.listed} that "
        "seemed wrong were changed ones"
    )
    return said + (", so most of those that seem wrong may well be right." if planted.misleading else ".")


def leak_sentence(leak: Leakage) -> str:
    """What makes the accuracy seem higher than it is, by how much, and what to do."""
    points = f"{leak.excess.value:.1f} points (95 % interval {leak.excess.low:.1f} to {leak.excess.high:.1f})"
    if leak.kind == "groups":
        return f"Keep the groups: without them the accuracy would seem {points} higher than of new groups."
    if leak.kind == "names":
        return (
            f"File names suggest {leak.groups} groups of images that belong together. With each group on "
            f"one side the accuracy is {leak.together:.1f} %, {points} less: say with --group what belongs "
            "together."
        )
    if leak.kind == "families":
        return (
            "Many images lie far nearer to a few of their class than to all others, as crops, frames or views "
            f"of one thing do; {leak.groups} groups. With each group on one side the accuracy is "
            f"{leak.together:.1f} %, {points} less: say with --group what belongs together."
        )
    return (
        f"Nearly the same pictures stand on both sides of the test. With them on one side the accuracy is "
        f"{leak.together:.1f} %, {points} less: keep one of each."
    )
