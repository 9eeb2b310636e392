"""The one place where values become what a network sees: uint8 RGB, upright, of the packed size.

| values | outcome |
|---|---|
| bands | one is grey, three are colour, others become three as `bands` says |
| a number of more than 8 bits, a signed one, a fraction | shown in the range that `ranges` says |
| opacity | composited on white; opacity that is full nowhere is none, and left out |
| what is no picture (nodata, padding, no number) | the mean of the rest |
| 1 bit | black and white |
| 8 bits | as they are |
| a range that the dataset's layout states | scaled to 8 bits (0 and 255 are its ends); beyond it: unreadable |
| EXIF orientation | turned upright |
| a box to cut out | the part of it that lies in the image, in the file's own pixels (before it is turned) |
| a box with no pixel of the image in it | unreadable, with the reason |
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from farfield.datasets.cards import Packing
from farfield.datasets.decoders.picture import to_picture
from farfield.datasets.decoders.ranges import Range
from farfield.datasets.decoders.registry import read
from farfield.datasets.decoders.values import Values
from farfield.datasets.sources import Box, Data

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


# Columns of the manifest that say how a file was read, after those that say what it is. low, high: the values
# that are the ends of grey. container: bits that a number takes; bits: those in use.
READ = {
    "bits": np.int32,
    "container": np.int32,
    "bands": np.int32,
    "page": np.int32,
    "pages": np.int32,
    "low": np.float64,
    "high": np.float64,
    "orientation": np.int32,
    "compression": object,
    "remark": object,
}


@dataclass(frozen=True)
class Decoded:
    """pixels: uint8 [h, w, 3], or uint16 [h, w, c] of `channels`, as large as the packing says. width, height: of
    the whole image, upright, before resizing. mode, bits, bands, page, pages, orientation, compression:
    of the file, as in `Values`. container: bits that a number takes. low, high: the values shown as the ends of
    grey. remark: what else was done."""

    pixels: np.ndarray
    width: int
    height: int
    mode: str
    bits: int
    container: int
    bands: int
    page: int
    pages: int
    low: float
    high: float
    orientation: int
    compression: str
    remark: str

    @property
    def read(self) -> dict[str, Any]:
        """How the file was read: what the manifest has in the columns `READ`."""
        return {name: getattr(self, name) for name in READ}


def read_columns(files: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """The columns `READ` of a manifest, of what `Decoded.read` says of each file."""
    return {name: np.array([file[name] for file in files], dtype=kind) for name, kind in READ.items()}


def decode(
    data: Data,
    packing: Packing,
    box: Box | None = None,
    span: Range | None = None,
    known: Mapping[str, Range] | None = None,
) -> Decoded:
    """Decode a file (or take the array of a dataset that ships arrays), cut out `box`, resize it.

    span: the values of black and white, where a layout knows what the files do not say. known: the ranges of
    the data set, by kind of file. UnreadableImageError with the reason if it cannot become pixels.
    """
    return show(read(data), packing, box, span, known)


def show(
    values: Values,
    packing: Packing,
    box: Box | None = None,
    span: Range | None = None,
    known: Mapping[str, Range] | None = None,
) -> Decoded:
    """As `decode`, of the values in a file."""
    picture, shown, remark = to_picture(values, packing, box, span, known)
    pixels = np.asarray(packed(picture, values.orientation, packing).convert("RGB"))
    return decoded(values, pixels, shown, remark)


def packed(image: Image.Image, orientation: int, packing: Packing) -> Image.Image:
    """The image turned upright and squeezed as the packing says."""
    if orientation in UPRIGHT:
        image = image.transpose(UPRIGHT[orientation])
    if packing.pre_size:
        image = image.resize((packing.pre_size,) * 2, FILTERS[packing.pre_resample])
    wanted = packing.shape[::-1]
    return image if image.size == wanted else image.resize(wanted, FILTERS[packing.resample])


def decoded(values: Values, pixels: np.ndarray, shown: Range, remark: str) -> Decoded:
    """The packed pixels of a file with what is said of it."""
    width, height = values.size
    used, container = _bits(values)
    if values.orientation >= 5:  # those that turn it on its side
        width, height = height, width
    return Decoded(
        pixels,
        width,
        height,
        values.mode,
        used,
        container,
        values.bands,
        values.page,
        values.pages or 1,
        *shown,
        values.orientation,
        values.compression,
        remark,
    )


def _bits(values: Values) -> tuple[int, int]:
    """Bits in use, by the file's word or its largest number, and those that a number takes."""
    if not isinstance(values.held, np.ndarray):
        return values.bits, 8
    array = values.held
    container = 1 if array.dtype.kind == "b" else 8 * array.dtype.itemsize
    if values.bits < container or array.dtype.kind != "u" or container <= 8:
        return values.bits, container
    return max(1, int(array.max()).bit_length()), container
