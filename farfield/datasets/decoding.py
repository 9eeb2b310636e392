"""One image file to one array of pixels, with a defined outcome for every kind of file.

| file | outcome |
|---|---|
| grey, palette, CMYK, YCbCr, LAB, 1-bit | converted to RGB |
| alpha channel or transparent palette | composited on white |
| 16-bit grey | scaled to 8 bits (value / 257) |
| EXIF orientation | turned upright |
| several frames | the first frame |
| a box to cut out | the part of it that lies in the image, in the file's own pixels (before it is turned) |
| truncated, corrupt, not an image, floating point, over Pillow's size limit | unreadable, with the reason |
| a box with no pixel of the image in it | unreadable, with the reason |
"""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from farfield.datasets.cards import Packing
from farfield.datasets.layouts.index import Box
from farfield.datasets.unreadable import UnreadableImageError

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True)
class Decoded:
    """pixels: uint8 [h, w, 3], as large as the packing says. width, height: of the whole image, upright, before
    resizing. mode: of the file."""

    pixels: np.ndarray
    width: int
    height: int
    mode: str


def decode(data: bytes | np.ndarray, packing: Packing, box: Box | None = None) -> Decoded:
    """Decode a file (or take the uint8 array of a dataset that ships arrays), cut out `box`, resize it."""
    try:
        return _decode(data, packing, box)
    except (UnreadableImageError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise UnreadableImageError("not an image that Pillow knows") from error
    except Image.DecompressionBombError as error:
        raise UnreadableImageError(f"too many pixels: {error}") from error
    except Exception as error:  # Pillow's plugins raise all kinds on damaged files; none touches a disk
        raise UnreadableImageError(f"damaged: {error or type(error).__name__}") from error


def _decode(data: bytes | np.ndarray, packing: Packing, box: Box | None) -> Decoded:
    image = Image.fromarray(data) if isinstance(data, np.ndarray) else Image.open(io.BytesIO(data))
    if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
        raise UnreadableImageError(f"too many pixels: {image.width} x {image.height}")
    mode = image.mode
    upright = ImageOps.exif_transpose(image)
    width, height = upright.size
    if box is not None:
        upright = ImageOps.exif_transpose(_cut(image, box))
    rgb = to_rgb(upright)
    if packing.pre_size:
        rgb = rgb.resize((packing.pre_size,) * 2, FILTERS[packing.pre_resample])
    wanted = packing.shape[::-1]
    if rgb.size != wanted:
        rgb = rgb.resize(wanted, FILTERS[packing.resample])
    return Decoded(np.asarray(rgb), width, height, mode)


def _cut(image: Image.Image, box: Box) -> Image.Image:
    left, top, right, bottom = box
    inside = max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height)
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        raise UnreadableImageError(f"no pixel of {image.width} x {image.height} lies in its box {box}")
    return image.crop(inside)


def to_rgb(image: Image.Image) -> Image.Image:
    """Any mode to RGB by the table above."""
    if image.mode == "F":
        raise UnreadableImageError("floating-point pixels have no defined range")
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min(initial=0) < 0 or values.max(initial=0) > 65535:
            raise UnreadableImageError("integer pixels beyond 16 bits")
        image = Image.fromarray((values // 257).astype(np.uint8))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        canvas = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(canvas, layer).convert("RGB")
    return image.convert("RGB")
