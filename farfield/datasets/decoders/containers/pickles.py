"""Official pickles, read without running what they say.

A pickle is a program. The few that the field still ships hold lists, dictionaries, text and numpy
arrays; the unpickler here can build these and knows the name of nothing else.
"""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
from numpy._core.multiarray import _reconstruct, scalar

from farfield.errors import InputError


def _encode(text: str, encoding: str) -> bytes:
    """Bytes that Python 3 wrote in a protocol for Python 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it encodes text as {encoding!r}")
    return text.encode("latin1")


_KNOWN = {
    **{
        (module, name): value
        for module in ("numpy.core.multiarray", "numpy._core.multiarray")  # numpy 1, numpy 2
        for name, value in (("_reconstruct", _reconstruct), ("scalar", scalar))
    },
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _KNOWN[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}") from None


def knows(start: bytes) -> bool:
    return True  # old pickles begin with anything, so this kind is asked last; what is none is refused


@contextmanager
def opened(file: IO[bytes], name: str, variable: str) -> Iterator[Any]:
    """What the dictionary in a pickle has under `variable`; without one, what the pickle holds. A pickle is
    read as a whole, so this takes as much memory as it is large."""
    value = unpickle(file, name)
    yield field_of(value, variable, name) if variable else value


def unpickle(file: IO[bytes], name: str) -> Any:
    """The object in a pickle of Python 2 or 3; text of Python 2 is taken as Latin-1.

    InputError that begins with `name` if the pickle asks for anything but lists, dictionaries, text,
    numbers and numpy arrays, or is damaged.
    """
    try:
        value = _Unpickler(file, encoding="latin1").load()
    except Exception as error:  # a damaged pickle can raise nearly everything
        raise InputError(
            f"{name} is no pickle of plain data: {error or type(error).__name__}. Nothing in it was run; get "
            f"the archive again from its publisher."
        ) from error
    return value


def field_of(value: Any, key: str, name: str) -> Any:
    """`value[key]` of an unpickled dictionary, whose keys may be bytes; InputError if it is not there."""
    if isinstance(value, dict):
        for known in (key, key.encode()):
            if known in value:
                return value[known]
    raise InputError(f"{name} is not what its layout expects: it has no {key!r}.")
