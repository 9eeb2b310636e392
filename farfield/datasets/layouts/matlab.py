"""MATLAB tables, as the older datasets have them; reading one runs nothing of what it holds."""

import io
from typing import Any

import numpy as np

from farfield.errors import InputError


def variable(files: dict[str, bytes], name: str, wanted: str) -> np.ndarray:
    """The variable `wanted` of the file `name`; InputError if it is not there or the file is damaged."""
    from scipy.io import loadmat

    try:
        content = loadmat(io.BytesIO(files[name]))
    except Exception as error:  # a damaged file can raise nearly everything
        raise InputError(
            f"{name} is no MATLAB file that can be read: {error or type(error).__name__}. Get the archive "
            f"with it again."
        ) from error
    if wanted not in content:
        known = ", ".join(key for key in content if not key.startswith("__")) or "nothing"
        raise InputError(f"{name} holds {known}; expected {wanted}. Get the archive with it again.")
    return np.asarray(content[wanted])


def text(value: Any) -> str:
    """The text in a cell, which MATLAB wraps in arrays."""
    return str(np.asarray(value).ravel()[0]) if np.asarray(value).size else ""


def whole_number(value: Any, fewest: int, most: int, place: str, meaning: str) -> int:
    """The whole number in a cell. InputError that begins with `place` if it is none or out of range."""
    number = np.asarray(value).ravel()
    if number.size != 1 or number.dtype.kind not in "iuf" or number[0] not in range(fewest, most + 1):
        found = number[0] if number.size == 1 else f"{number.size} values"
        raise InputError(f"{place} is {found}; expected a number from {fewest} to {most}, {meaning}.")
    return int(number[0])
