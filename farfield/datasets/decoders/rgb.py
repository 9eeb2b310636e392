"""The one place where values become what a network sees: uint8 RGB, upright, of the packed size.

| values | outcome |
|---|---|
| one band | grey: three equal bands |
| opacity | composited on white |
| 1 bit | black and white |
| 8 bits | as they are |
| integers of more bits, up to 65535 | scaled to 8 bits (value / 257) |
| a range that the dataset's layout states | scaled to 8 bits (0 and 255 are its ends); beyond it: unreadable |
| EXIF orientation | turned upright |
| a box to cut out | the part of it that lies in the image, in the file's own pixels (before it is turned) |
| floating point without such a range, other integers, two bands or more than four | unreadable, with the reason |
| a box with no pixel of the image in it | unreadable, with the reason |
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from farfield.datasets.cards import Packing
from farfield.datasets.decoders.registry import read
from farfield.datasets.decoders.values import UnreadableImageError, Values
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
Span = tuple[float, float]


@dataclass(frozen=True)
class Decoded:
    """pixels: uint8 [h, w, 3], as large as the packing says. width, height: of the whole image, upright, before
    resizing. mode: of the file."""

    pixels: np.ndarray
    width: int
    height: int
    mode: str


def decode(data: Data, packing: Packing, box: Box | None = None, span: Span | None = None) -> Decoded:
    """Decode a file (or take the array of a dataset that ships arrays), cut out `box`, resize it.

    span: the values of black and white, where a layout knows what the files do not say.
    UnreadableImageError with the reason if it cannot become pixels.
    """
    values = read(data)
    width, height = values.size
    rgb = to_rgb(values, box, span)
    if values.orientation in UPRIGHT:
        rgb = rgb.transpose(UPRIGHT[values.orientation])
    if packing.pre_size:
        rgb = rgb.resize((packing.pre_size,) * 2, FILTERS[packing.pre_resample])
    wanted = packing.shape[::-1]
    if rgb.size != wanted:
        rgb = rgb.resize(wanted, FILTERS[packing.resample])
    if values.orientation >= 5:  # those that turn it on its side
        width, height = height, width
    return Decoded(np.asarray(rgb), width, height, values.mode)


def to_rgb(values: Values, box: Box | None = None, span: Span | None = None) -> Image.Image:
    """The part of the values in `box` as an RGB image by the table above, not yet turned."""
    held = values.held
    if box is not None:
        left, top, right, bottom = _inside(values.size, box)
        if isinstance(held, np.ndarray):
            held = held[top:bottom, left:right]
        else:
            held = held.crop((left, top, right, bottom))
    if isinstance(held, np.ndarray) or span is not None:
        held = _image(held if isinstance(held, np.ndarray) else np.asarray(held), values.alpha, span)
    if values.alpha:
        canvas = Image.new("RGBA", held.size, "white")
        return Image.alpha_composite(canvas, held.convert("RGBA")).convert("RGB")
    return held.convert("RGB")


def _inside(size: tuple[int, int], box: Box) -> Box:
    left, top, right, bottom = box
    inside = max(left, 0), max(top, 0), min(right, size[0]), min(bottom, size[1])
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        raise UnreadableImageError(f"no pixel of {size[0]} x {size[1]} lies in its box {box}")
    return inside


def _image(array: np.ndarray, alpha: bool, span: Span | None) -> Image.Image:
    """The array as an image of mode L, LA, RGB or RGBA."""
    bands = array.shape[2] if array.ndim == 3 else 1
    if bands - alpha not in (1, 3):
        raise UnreadableImageError(f"it has {bands} numbers a pixel; a picture has one or three, and opacity")
    eight = _eight_bits(array, span)
    return Image.fromarray(eight[..., 0] if eight.ndim == 3 and bands == 1 else eight)


def _eight_bits(array: np.ndarray, span: Span | None) -> np.ndarray:
    """uint8, of the same shape."""
    if span is not None:
        black, white = span
        if not np.isfinite(array).all():
            raise UnreadableImageError(f"it holds values that are no numbers, not {black:g} to {white:g}")
        if array.min() < min(span) or array.max() > max(span):
            reach = f"from {array.min():g} to {array.max():g}"
            raise UnreadableImageError(f"its values reach {reach}, not from {black:g} to {white:g}")
        return np.rint((array - black) / (white - black) * 255).astype(np.uint8)
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind == "f":
        raise UnreadableImageError("floating-point pixels have no defined range")
    if array.dtype.itemsize == 1:
        raise UnreadableImageError("signed bytes have no defined range")
    values = array.astype(np.int64)
    if values.min(initial=0) < 0 or values.max(initial=0) > 65535:
        raise UnreadableImageError("integer pixels beyond 16 bits")
    return (values // 257).astype(np.uint8)
