"""JPEG files that Pillow does not know: of 12 or 16 bits, lossless, and JPEG-LS; by imagecodecs (extra `geo`)."""

import struct

import numpy as np

from farfield.datasets.decoders import apart
from farfield.datasets.decoders.pillow import require_pixels
from farfield.datasets.decoders.values import UnreadableImageError, Values, needs_extra, of_array

SUFFIXES = (".jls",)
LOSSLESS, LS = 0xC3, 0xF7  # kinds of frames
FRAMES = {*range(0xC0, 0xD0), LS} - {0xC4, 0xC8, 0xCC}
NAMES = {LOSSLESS: "lossless JPEG", LS: "JPEG-LS"}
MOST_BYTES = 2**29  # of the values


def knows(data: bytes) -> bool:
    frame = _frame(data)
    return frame is not None and (frame[0] in NAMES or frame[1] > 8)


def read(data: bytes, *, stored: bool) -> Values:
    frame = _frame(data)
    assert frame is not None  # or `knows` had said no
    kind, bits, height, width, bands = frame
    name = NAMES.get(kind, "JPEG")
    try:
        import imagecodecs
    except ImportError:
        raise needs_extra(f"{name} of {bits} bits", "geo") from None
    require_pixels(width, height)
    if width * height * bands * 2 > MOST_BYTES or not bands:
        raise UnreadableImageError(f"too large: {width} x {height} pixels of {bands} bands")
    if kind == LS:
        array = apart.jpegls(data, width * height)
    else:
        array = np.asarray((imagecodecs.ljpeg_decode if kind == LOSSLESS else imagecodecs.jpeg8_decode)(data))
    array = array[..., None] if array.ndim == 2 else array
    if stored:
        return of_array(array)
    stated = (0.0, float(2**bits - 1)) if bits < 8 * array.dtype.itemsize else None
    return Values(array, f"{name} {bits}", bits, colour=bands == 3, stated=stated, compression=name)


def _frame(data: bytes) -> tuple[int, int, int, int, int] | None:
    """Kind, bits, height, width and bands, from the header of the frame; None if there is none."""
    if data[:3] != b"\xff\xd8\xff":
        return None
    at = 2
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a filler
            at += 1
        elif marker in FRAMES:
            bits, height, width, bands = struct.unpack_from(">BHHB", data, at + 4)
            return marker, bits, height, width, bands
        elif marker in (0xD9, 0xDA):
            return None
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return None
