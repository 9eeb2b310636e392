"""Which decoder reads a file: by what it begins with, never by its name.

A format is one file beside this one, with
- `SUFFIXES`: how the names of such files end where folders and archives are searched for images,
- `knows(data)`: whether these are the bytes of such a file, by the first of them,
- `read(data, stored)`: its `Values`,
and its place in `FORMATS`, which are asked in this order. What only that format needs is imported inside `read`.
"""

from pathlib import Path
from typing import Protocol

import numpy as np

from farfield.datasets.decoders import (
    dicom,
    heif,
    jp2,
    jpeg,
    jpegxl,
    nifti,
    npy,
    pdf,
    pillow,
    png,
    pnm,
    tiff,
)
from farfield.datasets.decoders.values import UnreadableImageError, Values, of_array
from farfield.datasets.sources import Data


class Format(Protocol):
    """What a module of a format has."""

    @property
    def SUFFIXES(self) -> tuple[str, ...]: ...

    def knows(self, data: bytes) -> bool: ...

    def read(self, data: bytes, *, stored: bool) -> Values: ...


FORMATS: tuple[Format, ...] = (
    dicom, npy, png, pnm, tiff, pdf, heif, jp2, jpeg, jpegxl, nifti, pillow,
)  # fmt: skip
SUFFIXES = tuple(suffix for kind in FORMATS for suffix in kind.SUFFIXES)


def read(data: Data, *, stored: bool = False) -> Values:
    """The values of a file, or of an array [h, w] or [h, w, c] of a dataset that ships arrays.

    stored: the file's numbers as they are, of a palette its indices, as label maps need them.
    UnreadableImageError with the reason if there is no picture in it.
    """
    try:
        if isinstance(data, np.ndarray):
            return of_array(data)
        return next(kind for kind in FORMATS if kind.knows(data)).read(data, stored=stored)
    except (UnreadableImageError, MemoryError):
        raise
    except Exception as error:  # decoders raise all kinds on damaged files; none touches a disk
        raise UnreadableImageError(f"damaged: {error or type(error).__name__}") from error


def begins_as_image(start: bytes) -> bool:
    """Whether a file whose name has no suffix, as those of DICOM files often have none, begins as a picture does.

    start: its first bytes, 512 or more.
    """
    told = (kind for kind in FORMATS if kind not in (npy, pillow))
    return start.startswith(pillow.STARTS) or any(kind.knows(start) for kind in told)


def holds_image(path: Path) -> bool:
    """Whether a file is an image by its name, or, if its name has no suffix, by how it begins."""
    if path.is_dir():
        return False
    if path.name.lower().endswith(SUFFIXES):
        return True
    # The names of DICOM files are often numbers with points.
    if path.suffix and not path.suffix[1:].isdigit():
        return False
    try:
        with path.open("rb") as file:
            return begins_as_image(file.read(4096))
    except OSError:  # whoever reads it says so
        return False
