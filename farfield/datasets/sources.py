"""Where the images and targets of a dataset lie among its archives and files."""

from dataclasses import dataclass

import numpy as np

# What is read from one place: the bytes of a file, or an array where a dataset ships arrays.
Data = bytes | np.ndarray
Box = tuple[int, int, int, int]  # left, top, right, bottom; in pixels from 0, right and bottom exclusive


@dataclass(frozen=True, slots=True)
class Stack:
    """How a member holds many images.

    variable: what they are called in it; empty where the member is nothing but their list. axes: the order
    in which the axes of one image are stored, of h, w and c ("chw"); empty where each is a file of its own.
    shape: of one image in that order, where it is stored flat.
    """

    variable: str = ""
    axes: str = ""
    shape: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """One image or target. archive: the file that holds it; empty if `member` is a file beside the archives.
    inner: the tar inside the archive that holds the member. stack, entry: how the member holds many, and
    which of them this is; none if the member is the file itself."""

    archive: str
    member: str
    inner: str = ""
    stack: Stack | None = None
    entry: int = 0
