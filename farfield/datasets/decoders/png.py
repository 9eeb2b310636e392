"""PNG files of 16 bits: Pillow keeps only the high byte of a number where there is more than one a pixel.

The values are read by Pillow all the same, once for the high bytes and once for the low ones. A chunk sBIT
says how many bits are in use; without one, the file does not say.
"""

import io
import struct

import numpy as np
from PIL import Image

from farfield.datasets.decoders import metadata, pillow
from farfield.datasets.decoders.values import Values, of_array

SUFFIXES: tuple[str, ...] = ()  # that of Pillow
_BANDS = {0: 1, 2: 3, 4: 2, 6: 4}  # by the type of colour


def knows(data: bytes) -> bool:
    return data.startswith(metadata.PNG) and data[12:16] == b"IHDR" and data[24:25] == b"\x10"


def read(data: bytes, *, stored: bool) -> Values:
    first, _ = pillow.opened(data)
    bands = _BANDS.get(data[25], 0)
    if bands == 1 or (stored and bands == 0):
        values = np.asarray(first)[..., None]
    else:
        values = _both_bytes(metadata.without(data) or data, first, bands)
    if stored:
        return of_array(values)
    used = _significant(data, values)
    return Values(
        values,
        "I;16" if bands == 1 else f"{('LA', 'RGB', 'RGBA')[bands - 2]};16",
        16 if used is None else used,
        alpha=bands in (2, 4),
        colour=bands > 2,
        stated=None if used is None else (0.0, float(2**used - 1)),
        orientation=pillow.orientation(first),
    )


def _both_bytes(data: bytes, high: Image.Image, bands: int) -> np.ndarray:
    """uint16 [h, w, bands], of 2 to 4 bands. high: what Pillow makes of the file, the high bytes."""
    if bands == 2:  # four bytes a pixel, as four bands of 8 bits have them
        halves = _as(data, "RGBA", "RGBA")
        return halves[..., 0::2].astype(np.uint16) << 8 | halves[..., 1::2]
    mode = "RGB" if bands == 3 else "RGBA"
    return np.asarray(high).astype(np.uint16) << 8 | _as(data, mode, f"{mode};16L")


def _as(data: bytes, mode: str, raw: str) -> np.ndarray:
    """What Pillow makes of the file if its rows are said to be of the raw mode."""
    with Image.open(io.BytesIO(data)) as image:
        image.tile = [part._replace(args=raw) for part in image.tile]
        image._mode = mode
        image.load()
        return np.asarray(image)


def _significant(data: bytes, values: np.ndarray) -> int | None:
    """The bits that the numbers use, if the file says it and does not scale them to 16 bits, as it should."""
    at, end = 8, data.find(b"IDAT")
    while at + 8 <= end:
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"sBIT" and 0 < length <= 4:
            used = max(data[at + 8 : at + 8 + length])
            if not 8 < used < 16:
                return None if used != 16 else 16
            unscaled = values.max() < 2**used and bool((values & (2 ** (16 - used) - 1)).any())
            return used if unscaled else 16
        at += 12 + length
    return None
