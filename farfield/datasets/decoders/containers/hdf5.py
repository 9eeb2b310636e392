"""HDF5 files, MATLAB 7.3 files among them, which begin with 512 bytes of their own.

MATLAB counts the axes from the other side: what it calls [h, w, 3, n] lies in the file as [n, 3, w, h].
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from farfield.errors import InputError

SIGNATURE = b"\x89HDF\r\n\x1a\n"


def knows(start: bytes) -> bool:
    return SIGNATURE in (start[:8], start[512:520])


@contextmanager
def opened(file: IO[bytes], name: str, variable: str) -> Iterator[Any]:
    """The variable, whose entries are read as they are asked for."""
    import h5py

    try:
        with h5py.File(file) as content:
            yield content[variable]
    except (OSError, KeyError) as error:
        raise InputError(
            f"{name} is damaged or no HDF5 or MATLAB 7.3 file with {variable} ({error}). Delete it and "
            f"download it again."
        ) from error
