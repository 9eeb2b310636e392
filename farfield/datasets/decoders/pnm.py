"""PGM and PPM files of more than 8 bits, whose header states the largest value. Pillow reads the others, and
scales these: what has three bands to 8 bits."""

import re

import numpy as np

from farfield.datasets.decoders.pillow import require_pixels
from farfield.datasets.decoders.values import UnreadableImageError, Values, of_array

SUFFIXES: tuple[str, ...] = ()  # those of Pillow
_GAP = rb"(?:\s|#[^\n]*\n)+"
_HEADER = re.compile(rb"P([2356])" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})\s")


def knows(data: bytes) -> bool:
    found = _HEADER.match(data[:4096])
    return found is not None and int(found[4]) > 255


def read(data: bytes, *, stored: bool) -> Values:
    found = _HEADER.match(data[:4096])
    assert found is not None  # or `knows` had said no
    kind, width, height, largest = (int(group) for group in found.groups())
    require_pixels(width, height)
    bands, wanted = (3 if kind in (3, 6) else 1), width * height * (3 if kind in (3, 6) else 1)
    if largest > 65535 or not wanted:
        raise UnreadableImageError(f"damaged: {width} x {height} pixels with values up to {largest}")
    body = data[found.end() :]
    if kind > 3:
        if len(body) < 2 * wanted:
            raise UnreadableImageError(f"damaged: it ends after {len(body)} of {2 * wanted} bytes")
        numbers = np.frombuffer(body, ">u2", wanted).astype(np.uint16)
    else:
        words = body.split(maxsplit=wanted)[:wanted]
        if len(words) < wanted:
            raise UnreadableImageError(f"damaged: it ends after {len(words)} of {wanted} numbers")
        numbers = np.array(words, dtype=np.uint16)
    values = numbers.reshape(height, width, bands)
    if stored:
        return of_array(values)
    # The largest 16-bit number is what a writer puts there that does not look at its values.
    stated = None if largest == 65535 else (0.0, float(largest))
    mode = "I;16" if bands == 1 else "RGB;16"
    return Values(values, mode, int(largest).bit_length(), colour=bands == 3, stated=stated)
