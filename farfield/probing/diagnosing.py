"""The diagnosis of a user's images and of the classifier recommended for them, from what probing found."""

import numpy as np
from torch import Tensor

from farfield.errors import InputError
from farfield.probing.conformal import STATED, prediction_sets
from farfield.probing.diagnosis import Diagnosis, Estimate, Leakage
from farfield.probing.duplicates import merged, near_duplicates
from farfield.probing.evaluation import Tested, left_out_logits, parts_of
from farfield.probing.families import families
from farfield.probing.intervals import scores
from farfield.probing.learning_curve import learning_curve
from farfield.probing.logistic import Basis
from farfield.probing.measures import difference
from farfield.probing.planting import plant
from farfield.probing.suspects import NEIGHBOURS, nearest, outliers, same_classes, suspects

LEAST = 1.0  # point by which an estimate must be too high to be called misleading


def diagnose(
    images: np.ndarray,
    looks: Tensor,
    labels: np.ndarray,
    tested: Tested,
    parts: np.ndarray,
    seed: int,
    groups: np.ndarray | None = None,
    suggested: np.ndarray | None = None,
    stated: float = STATED,
) -> Diagnosis:
    """images: packed, [n, h, w, c]. looks: [n, e], of length one, in which images are compared. tested: the
    recommended classifier's left-out answers, under `parts` [repeats, n].

    groups: int [n] from 0, whose images `parts` keep together. suggested: groups that file names suggest
    (`duplicates.groups_of_names`), to be tried where none are given.
    """
    known = looks.numpy()
    twins = near_duplicates(known, images, labels, parts)
    rows, distances = nearest(known, NEIGHBOURS, twins.clusters)
    leaks = []
    if groups is not None:
        alone = answers_with(None, tested.basis, labels, seed)
        leaks.append(leakage("groups", groups, alone, tested.right))
    related = families(known, labels, twins.clusters) if groups is None else None
    if related is not None:  # copies among them
        right = answers_with(related, tested.basis, labels, seed)
        leaks.append(leakage("families", related, tested.right, right))
    elif not twins.same_part.all():
        together = twins.clusters if groups is None else merged(groups, twins.clusters)
        right = answers_with(together, tested.basis, labels, seed)
        leaks.append(leakage("duplicates", together, tested.right, right))
    if groups is None and suggested is not None:
        together = merged(suggested, twins.clusters)
        right = answers_with(together, tested.basis, labels, seed)
        leaks.append(leakage("names", together, tested.right, right))
    return Diagnosis(
        images=len(labels),
        classes=tested.logits.shape[-1],
        groups=len(labels) if groups is None else len(np.unique(groups)),
        scores=scores(tested.logits, labels, tested.measures, seed, groups),
        duplicates=twins,
        leakage=tuple(leak for leak in leaks if leak is not None),
        sets=prediction_sets(tested.logits, labels, parts, stated, units=groups),
        suspects=suspects(tested.logits, labels, rows),
        planted=plant(tested.basis, labels, parts[:1], rows, seed),
        outliers=outliers(distances),
        same_classes=same_classes(tested.logits, labels),
        curve=learning_curve(tested.basis, labels, parts[0], seed, groups),
    )


def answers_with(units: np.ndarray | None, found: Basis, labels: np.ndarray, seed: int) -> np.ndarray | None:
    """bool [n], whether fits in the basis are right about an image left out with all of its unit; None where a
    class lies in a single unit, so that nothing could be left out."""
    try:
        parts = parts_of(labels, units, seed)[:1]
    except InputError:
        return None
    right: np.ndarray = left_out_logits(found, labels, parts)[0].argmax(-1) == labels
    return right


def leakage(
    kind: str, units: np.ndarray, apart: np.ndarray | None, together: np.ndarray | None
) -> Leakage | None:
    """apart, together: [n], the share of answers that are right where units may stand on both sides, and where
    they do not. None if one of them is not known."""
    if apart is None or together is None:
        return None
    gap, half = difference(apart, together, units)
    return Leakage(
        kind=kind,
        groups=len(np.unique(units)),
        apart=100 * float(apart.mean()),
        together=100 * float(together.mean()),
        excess=Estimate(gap, gap - half, gap + half),
        misleading=gap > max(half, LEAST),
    )
