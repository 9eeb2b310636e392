"""JPEG XL, by imagecodecs (BSD-3, extra `geo`); pillow-jxl-plugin is GPL-3 and so in no extra."""

from dataclasses import dataclass

import numpy as np

from farfield.datasets.decoders.pillow import require_pixels
from farfield.datasets.decoders.values import UnreadableImageError, Values, needs_extra, of_array

SUFFIXES = (".jxl",)
STREAM, BOXES = b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"
# Widths are said as shares of the height where one fits (ISO/IEC 18181-1, SizeHeader).
RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}


def knows(data: bytes) -> bool:
    return data.startswith((STREAM, BOXES))


def read(data: bytes, *, stored: bool) -> Values:
    try:
        import imagecodecs
    except ImportError:
        raise needs_extra("a JPEG XL file", "geo") from None
    head = header(data)
    require_pixels(head.width, head.height)
    # One frame alone: how many follow, and so how much memory all of them take, no header says.
    array = np.asarray(imagecodecs.jpegxl_decode(data, index=0))
    array = array[..., None] if array.ndim == 2 else array
    if stored:
        return of_array(array)
    whole, bands = array.dtype.kind == "u", array.shape[2]
    bits = min(head.bits or 64, 8 * array.dtype.itemsize)
    # Whole numbers take all of their bits, 12 in 16 too; fractions lie in 0 to 1.
    stated = (0.0, float(2**bits - 1) if whole else 1.0) if bits > 8 else None
    return Values(
        array,
        f"JPEG XL {array.dtype.name}",
        bits,
        alpha=bands in (2, 4),
        colour=bands > 2,
        stated=stated,
        remark="the first frame of an animation" if head.animated else "",
    )


@dataclass(frozen=True)
class Header:
    """What a file says before its picture. bits: of a number; None where that is not looked for."""

    width: int
    height: int
    animated: bool = False
    bits: int | None = None


class _Bits:
    """Numbers of few bits one after the other, the lowest bit first."""

    def __init__(self, data: bytes) -> None:
        self.rest = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        taken = self.rest & ((1 << count) - 1)
        self.rest >>= count
        return taken

    def one_of(self, *choices: tuple[int, int]) -> int:
        """A number by two bits that choose how: (what is added to it, how many bits it has)."""
        more, count = choices[self.take(2)]
        return more + self.take(count)

    def size(self) -> tuple[int, int]:
        """Width and height."""
        small = self.take(1)
        height = self._side(small)
        ratio = self.take(3)
        if not ratio:
            return self._side(small), height
        more, less = RATIOS[ratio]
        return height * more // less, height

    def _side(self, small: int) -> int:
        return 8 * (self.take(5) + 1) if small else self.one_of((1, 9), (1, 13), (1, 18), (1, 30))


def header(data: bytes) -> Header:
    """What is said before the picture (SizeHeader and ImageMetadata); UnreadableImageError without it."""
    stream = data[:64] if data.startswith(STREAM) else _first_stream(data)
    if len(stream) < 4 or not stream.startswith(STREAM):
        raise UnreadableImageError("damaged: a JPEG XL file without its size")
    bits = _Bits(stream[2:])
    width, height = bits.size()
    if bits.take(1):  # all of it is usual
        return Header(width, height, bits=8)
    animated = False
    if bits.take(1):
        bits.take(3)  # orientation
        if bits.take(1):
            bits.size()  # another, that the picture is meant for
        if bits.take(1):  # a small copy, whose header is another
            return Header(width, height)
        animated = bool(bits.take(1))
    if animated:  # time, and how often
        bits.one_of((100, 0), (1000, 0), (1, 10), (1, 30))
        bits.one_of((1, 0), (1001, 0), (1, 8), (1, 10))
        bits.one_of((0, 0), (0, 3), (0, 16), (0, 32))
        bits.take(1)
    floating = bits.take(1)
    usual = (32, 16, 24) if floating else (8, 10, 12)
    return Header(width, height, animated, bits.one_of(*((number, 0) for number in usual), (1, 6)))


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
