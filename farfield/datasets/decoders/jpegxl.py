"""JPEG XL, by imagecodecs (BSD-3, extra `geo`); pillow-jxl-plugin is GPL-3 and so in no extra."""

import numpy as np

from farfield.datasets.decoders.pillow import require_pixels
from farfield.datasets.decoders.values import Values, needs_extra, of_array

SUFFIXES = (".jxl",)


def knows(data: bytes) -> bool:
    return data.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"))


def read(data: bytes, *, stored: bool) -> Values:
    try:
        import imagecodecs
    except ImportError:
        raise needs_extra("a JPEG XL file", "geo") from None
    array = np.asarray(imagecodecs.jpegxl_decode(data))
    pages = 1
    if array.ndim == 4:  # an animation
        array, pages = array[0], len(array)
    array = array[..., None] if array.ndim == 2 else array
    require_pixels(array.shape[1], array.shape[0])
    if stored:
        return of_array(array)
    bits, bands = 8 * array.dtype.itemsize, array.shape[2]
    # It is scaled to the whole of its type of numbers; fractions lie in 0 to 1.
    stated = (0.0, float(np.iinfo(array.dtype).max) if array.dtype.kind == "u" else 1.0) if bits > 8 else None
    return Values(
        array,
        f"JPEG XL {array.dtype.name}",
        bits,
        alpha=bands in (2, 4),
        colour=bands > 2,
        stated=stated,
        pages=pages,
    )
