"""Members that hold many images: a kind a file, found by what the member begins with.

A kind has `knows(start)`, and `opened(file, name, variable)`, a context with what a variable of the open
member holds, indexed by entry. How one image lies in it, the layout says (`sources.Stack`).
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import IO, Any, Protocol

import numpy as np

from farfield.datasets.decoders.containers import hdf5, parquet, pickles, slides
from farfield.datasets.sources import Data, Stack
from farfield.errors import InputError


class Container(Protocol):
    """What a module of a kind has."""

    def knows(self, start: bytes) -> bool: ...

    def opened(self, file: IO[bytes], name: str, variable: str) -> AbstractContextManager[Any]: ...


CONTAINERS: tuple[Container, ...] = (hdf5, parquet, slides, pickles)  # asked in this order
START = 1024  # bytes of a member that its kind is told by


def images_in(file: IO[bytes], name: str, stack: Stack, entries: Sequence[int]) -> Iterator[Data]:
    """The images at these places, in their order, out of an open member that holds many.

    Each is the bytes of a file, or an array [h, w] or [h, w, c]. InputError that begins with `name` if
    the member is damaged, or holds fewer or others.
    """
    start = file.read(START)
    file.seek(0)
    kind = next(kind for kind in CONTAINERS if kind.knows(start))
    with kind.opened(file, name, stack.variable) as found:
        try:
            count = len(found)
            found[0:0]  # a dictionary has a length, and no places
        except (TypeError, KeyError, AttributeError):
            count = None
        if count is None or count <= max(entries):
            holds = "no list" if count is None else count
            raise InputError(
                f"{name} holds {holds} of the {max(entries) + 1} images that its labels speak of."
            )
        for entry in entries:
            yield _image(found[entry], name, stack)


def _image(value: Any, name: str, stack: Stack) -> Data:
    if not stack.axes:
        return value if isinstance(value, bytes) else np.asarray(value, dtype=np.uint8).tobytes()
    array = np.asarray(value)
    shape = stack.shape or array.shape
    if array.size != np.prod(shape) or len(shape) != len(stack.axes):
        expected = list(stack.shape) or f"axes {stack.axes}"
        raise InputError(f"{name} has images of {array.dtype} {list(array.shape)}; expected {expected}.")
    order = [stack.axes.index(axis) for axis in "hwc" if axis in stack.axes]
    return np.ascontiguousarray(array.reshape(shape).transpose(order))
