"""Strips and tiles of a TIFF file decoded by Pillow's libtiff, whatever their bands and types of numbers are.

Pillow has the usual codecs, but knows few ways to lay out pixels. A strip is bytes, though: here each row of
strips or tiles is offered to it as a grey picture with a pixel a byte, in a TIFF file of its own, and what comes
back is viewed as the numbers that they are. What the predictor has taken away is added again here.
"""

import io
import struct
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from tifffile import TiffPage

NONE, LZW, DEFLATE, PACKBITS, ADOBE, LZMA, ZSTD = 1, 5, 32946, 32773, 8, 34925, 50000
_CODECS = (NONE, LZW, DEFLATE, PACKBITS, ADOBE, LZMA, ZSTD)
# What Pillow reads of a page that it knows the pixels of: the same, fax, and JPEG.
BY_PILLOW = (*_CODECS, 2, 3, 4, 6, 7)
DIFFERENCES, BYTE_DIFFERENCES = 2, 3  # predictors


def decoded(data: bytes, page: "TiffPage") -> np.ndarray | None:
    """The page as `page.asarray` gives it, but of the shape `page.shaped`; None if it is packed by another codec
    or in numbers that are no whole bytes."""
    planes, depth, height, width, samples = page.shaped
    dtype = page.dtype
    if page.compression not in _CODECS or dtype is None or depth != 1 or page.fillorder != 1:
        return None
    if page.bitspersample != 8 * dtype.itemsize or page.predictor not in (1, DIFFERENCES, BYTE_DIFFERENCES):
        return None
    if page.is_tiled:
        across, wide, high = -(-width // page.tilewidth), page.tilewidth, page.tilelength
    else:
        across, wide, high = 1, width, min(page.rowsperstrip, height)
    down = -(-height // high)
    out = np.empty((planes, 1, height, width, samples), dtype.newbyteorder("="))
    for plane in range(planes):
        for row in range(down):
            first = (plane * down + row) * across
            tall = high if page.is_tiled else min(high, height - row * high)
            parts = [_segment(data, page, first + column) for column in range(across)]
            part = _row(parts, page, wide * samples * dtype.itemsize, tall)
            values = _numbers(part.reshape(tall, across, -1), page, samples)
            values = values.reshape(tall, across * wide, samples)
            kept = min(tall, height - row * high)
            out[plane, 0, row * high : row * high + kept] = values[:kept, :width]
    return out


def _segment(data: bytes, page: "TiffPage", number: int) -> bytes:
    start, size = page.dataoffsets[number], page.databytecounts[number]
    return data[start : start + size]


def _row(parts: list[bytes], page: "TiffPage", wide: int, tall: int) -> np.ndarray:
    """uint8 [tall, parts * wide] of the packed segments that lie side by side."""
    if page.compression == NONE:
        return np.concatenate(
            [np.frombuffer(part, np.uint8, tall * wide).reshape(tall, wide) for part in parts], 1
        )
    head = 8 + 2 + 12 * 11 + 4
    offsets = list(np.cumsum([head + 8 * len(parts), *map(len, parts)]))[:-1]
    shape = {322: wide, 323: tall} if page.is_tiled else {278: tall}
    places = (
        {324: offsets, 325: [len(p) for p in parts]}
        if page.is_tiled
        else {273: offsets, 279: [len(parts[0])]}
    )
    tags: dict[int, list[int]] = {
        **{256: [wide * len(parts)], 257: [tall], 258: [8], 259: [int(page.compression)], 262: [1], 277: [1]},
        **{tag: [value] for tag, value in shape.items()},
        **places,
    }
    entries, lists = b"", b""
    for tag in sorted(tags):
        packed = struct.pack(f"<{len(tags[tag])}I", *tags[tag])
        value = packed if len(packed) == 4 else struct.pack("<I", head + len(lists))
        entries += struct.pack("<HHI", tag, 4, len(tags[tag])) + value
        lists += packed if len(packed) > 4 else b""
    directory = (struct.pack("<H", len(tags)) + entries).ljust(head - 8, b"\0")
    file = b"II*\0\x08\0\0\0" + directory + lists.ljust(8 * len(parts), b"\0") + b"".join(parts)
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(image)


def _numbers(part: np.ndarray, page: "TiffPage", samples: int) -> np.ndarray:
    """[rows, parts, numbers of a row] of bytes uint8 [rows, parts, bytes of a row]."""
    assert page.dtype is not None
    size = page.dtype.itemsize
    if page.predictor == BYTE_DIFFERENCES:  # of the bytes of one weight, the heaviest first
        rows, count, length = part.shape
        summed = np.cumsum(part.reshape(rows, count, length // samples, samples), axis=2, dtype=np.uint8)
        planes = summed.reshape(rows, count, size, length // size)
        return np.ascontiguousarray(np.moveaxis(planes, 2, -1)).view(page.dtype.newbyteorder(">"))[..., 0]
    numbers = np.ascontiguousarray(part).view(page.dtype.newbyteorder(page.parent.byteorder))
    if page.predictor == DIFFERENCES:
        native = numbers.astype(page.dtype.newbyteorder("=")).reshape(*part.shape[:2], -1, samples)
        unsigned = native.view(f"u{size}")
        return (
            np.cumsum(unsigned, axis=2, dtype=unsigned.dtype).view(native.dtype).reshape(*part.shape[:2], -1)
        )
    return numbers
