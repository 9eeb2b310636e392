"""npy files, the arrays of NumPy: rows of pixels with any type of numbers."""

import io

import numpy as np

from farfield.datasets.decoders.values import Values, of_array

SUFFIXES: tuple[str, ...] = ()  # most npy files are no pictures: a layout says which are


def knows(data: bytes) -> bool:
    return data.startswith(b"\x93NUMPY")


def read(data: bytes, *, stored: bool) -> Values:
    return of_array(np.load(io.BytesIO(data), allow_pickle=False))
