"""JPEG 2000. Pillow reads what has 8 bits or one band; it keeps only the high byte of several deeper bands, which
imagecodecs reads whole (extra `geo`), and calls a fourth band opacity even where the file does not."""

import struct
from dataclasses import replace

import numpy as np

from farfield.datasets.decoders import pillow
from farfield.datasets.decoders.values import UnreadableImageError, Values, needs_extra, of_array

SUFFIXES = (".jp2", ".j2k", ".jpx", ".jpf")
BOX, STREAM = b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"
MOST_BYTES = 2**29  # of the values


def knows(data: bytes) -> bool:
    return data.startswith((BOX, STREAM))


def read(data: bytes, *, stored: bool) -> Values:
    width, height, depths = _size(data)
    bits, bands = max(depth & 127 for depth in depths) + 1, len(depths)
    signed = bool(depths[0] & 128)
    if (bits > 8 and bands > 1) or bands > 4 or signed:
        return _by_imagecodecs(data, width, height, bits, bands, stored)
    found = pillow.read(data, stored=stored)
    if stored:
        return found
    if bits > 8:  # Pillow moves fewer bits than 16 up to the highest ones
        stated = (0.0, float((2**bits - 1) << (16 - bits))) if bits < 16 else None
        return replace(found, bits=bits, stated=stated)
    if found.alpha and not _has_opacity(data):
        array = found.array if bands == 4 else found.array[..., 2:]
        return replace(found, held=array, alpha=False, colour=bands == 4)
    return found


def _size(data: bytes) -> tuple[int, int, bytes]:
    """Width, height and of each component its bits less one, 128 more if it is signed."""
    at = data.find(STREAM)
    try:
        right, low, left, top = struct.unpack_from(">4I", data, at + 8)
        count = struct.unpack_from(">H", data, at + 40)[0]
    except struct.error:
        count = 0
    depths = data[at + 42 : at + 42 + 3 * count : 3]
    if at < 0 or not count or len(depths) < count or right <= left or low <= top:
        raise UnreadableImageError("damaged: a JPEG 2000 file without its size")
    pillow.require_pixels(right - left, low - top)
    return right - left, low - top, depths


def _has_opacity(data: bytes) -> bool:
    """Whether the box of channel definitions calls one opacity."""
    at = data.find(b"cdef", 0, data.find(STREAM))
    if at < 0 or at + 6 > len(data):
        return False
    count = struct.unpack_from(">H", data, at + 4)[0]
    kinds = data[at + 6 : at + 6 + 6 * count]
    return any(kinds[place + 2 : place + 4] in (b"\0\1", b"\0\2") for place in range(0, len(kinds), 6))


def _by_imagecodecs(data: bytes, width: int, height: int, bits: int, bands: int, stored: bool) -> Values:
    try:
        import imagecodecs
    except ImportError:
        raise needs_extra(f"JPEG 2000 of {bands} bands of {bits} bits", "geo") from None
    if width * height * bands * 2 > MOST_BYTES:
        raise UnreadableImageError(f"too large: {width} x {height} pixels of {bands} bands")
    array = np.asarray(imagecodecs.jpeg2k_decode(data))
    array = array[..., None] if array.ndim == 2 else array
    if stored:
        return of_array(array)
    unsigned = array.dtype.kind == "u"
    stated = (0.0, float(2**bits - 1)) if unsigned and bits < 8 * array.dtype.itemsize else None
    alpha = _has_opacity(data)
    mode, colour = f"JPEG 2000 {array.dtype.name}", bands - alpha == 3
    return Values(array, mode, bits, signed=not unsigned, alpha=alpha, colour=colour, stated=stated)
