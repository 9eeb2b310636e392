"""JPEG XL, by imagecodecs (BSD-3, extra `geo`); pillow-jxl-plugin is GPL-3 and so in no extra."""

import numpy as np

from farfield.datasets.decoders.pillow import require_pixels
from farfield.datasets.decoders.values import UnreadableImageError, Values, needs_extra, of_array

SUFFIXES = (".jxl",)
STREAM, BOXES = b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"
# Widths are said as shares of the height where one fits (ISO/IEC 18181-1, SizeHeader).
RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
LENGTHS = (9, 13, 18, 30)  # bits of a side


def knows(data: bytes) -> bool:
    return data.startswith((STREAM, BOXES))


def read(data: bytes, *, stored: bool) -> Values:
    try:
        import imagecodecs
    except ImportError:
        raise needs_extra("a JPEG XL file", "geo") from None
    width, height, animated = header(data)
    require_pixels(width, height)
    # One frame alone: how many follow, and so how much memory all of them take, no header says.
    array = np.asarray(imagecodecs.jpegxl_decode(data, index=0))
    array = array[..., None] if array.ndim == 2 else array
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
        remark="the first frame of an animation" if animated else "",
    )


def header(data: bytes) -> tuple[int, int, bool]:
    """Width, height and whether there are frames, before anything is decoded.

    UnreadableImageError without a header.
    """
    stream = data[:64] if data.startswith(STREAM) else _first_stream(data)
    if len(stream) < 4 or not stream.startswith(STREAM):
        raise UnreadableImageError("damaged: a JPEG XL file without its size")
    bits, at = int.from_bytes(stream[2:], "little"), 0

    def take(count: int) -> int:
        nonlocal at
        at += count
        return bits >> (at - count) & ((1 << count) - 1)

    def size() -> tuple[int, int]:
        small = take(1)
        sides = [0, 0]
        for axis in (1, 0):  # the height first
            if axis == 0 and (ratio := take(3)):
                more, less = RATIOS[ratio]
                sides[0] = sides[1] * more // less
            else:
                sides[axis] = 8 * (take(5) + 1) if small else take(LENGTHS[take(2)]) + 1
        return sides[0], sides[1]

    width, height = size()
    usual = take(1)
    if usual or not take(1):
        return width, height, False
    take(3)  # orientation
    if take(1):
        size()  # another, that the picture is meant for
    preview = take(1)
    return width, height, not preview and bool(take(1))


def _first_stream(data: bytes) -> bytes:
    """The first bytes of the picture in a file of boxes; none if it has no such box."""
    at = 0
    while at + 8 <= len(data):
        length, kind, head = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if length == 1:  # the length is too large for its place
            length, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        if kind in (b"jxlc", b"jxlp"):
            start = at + head + (4 if kind == b"jxlp" else 0)  # a part begins with its number
            return data[start : start + 64]
        if length < head:  # up to the end of the file, or damaged
            break
        at += length
    return b""
