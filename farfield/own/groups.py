"""Which images belong together, and whether something of every class can be left out."""

import re
from collections.abc import Sequence

import numpy as np

from farfield.errors import InputError, first_few
from farfield.own.images import OwnImages


def groups_by(pattern: str, paths: Sequence[str]) -> np.ndarray:
    """int [n] from 0, equal where the one group of the regular expression, found in the path, is. InputError
    if it is no regular expression with one group, or is not found in every path."""
    try:
        wanted = re.compile(pattern)
    except re.error as error:
        raise InputError(f"--group {pattern!r} is no regular expression: {error}") from error
    if wanted.groups != 1:
        raise InputError(
            f"--group {pattern!r} has {wanted.groups} groups; mark with one pair of parentheses what images "
            "that belong together share, as the patient in '(p[0-9]+)_'"
        )
    found = [wanted.search(path) for path in paths]
    without = [path for path, match in zip(paths, found, strict=True) if match is None or match[1] is None]
    if without:
        raise InputError(
            f"--group {pattern!r} is not found in {len(without)} of {len(paths)} paths: {first_few(without)}; "
            "the path starts with the folder of the class"
        )
    keys = [match[1] for match in found if match is not None]
    groups: np.ndarray = np.unique(keys, return_inverse=True)[1]
    return groups


def groups_given(said: np.ndarray) -> np.ndarray | None:
    """The same of groups that stand beside the labels, [n]; an image with "" stands alone. None if all do."""
    if not (said != "").any():
        return None
    keys = [f"group {name}" if name else f"image {row}" for row, name in enumerate(said.tolist())]
    groups: np.ndarray = np.unique(keys, return_inverse=True)[1]
    return groups


def require_testable(own: OwnImages, groups: np.ndarray | None) -> None:
    """InputError that names the classes of which nothing could be left out to test on."""
    if few := [name for name, count in own.counts.items() if count < 2]:
        lost = [path for path in own.left_out if path.split("/")[0] in few]
        which = f" Left out there: {first_few(lost)}." if lost else ""
        raise InputError(
            f"every class needs two readable images, one to learn from and one to be asked; {first_few(few)} "
            f"{'has' if len(few) == 1 else 'have'} fewer.{which} Add images there, or take the folder out."
        )
    if groups is None:
        return
    alone = [name for i, name in enumerate(own.class_names) if len(np.unique(groups[own.labels == i])) < 2]
    if len(alone) == len(own.class_names) == len(np.unique(groups)):
        raise InputError(
            "every group is a class: nothing of a class could be left out with its whole group. Give as "
            "--group what is shared by images of a patient, place or sheet, not of a class."
        )
    if alone:
        raise InputError(
            f"all images of {first_few(alone)} are in one group, so that nothing of it could be left out to "
            "test on; add images of other groups, or take the class out."
        )
