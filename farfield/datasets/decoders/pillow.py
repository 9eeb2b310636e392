"""Whatever Pillow reads: photographs, scans and drawings.

Colour models, palettes and transparency are turned into grey, RGB or RGBA by Pillow itself; 16-bit grey,
integers and floating-point numbers stay what they are. Of several frames the first counts.
"""

import io

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from farfield.datasets.decoders.values import UnreadableImageError, Values, of_array

SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".pgm", ".ppm",
)  # fmt: skip


def knows(data: bytes) -> bool:
    return True  # it looks at the first bytes itself, so it is asked last


def read(data: bytes, *, stored: bool) -> Values:
    try:
        image: Image.Image = Image.open(io.BytesIO(data))
    except UnidentifiedImageError as error:
        raise UnreadableImageError("not an image that Pillow knows") from error
    except Image.DecompressionBombError as error:
        raise UnreadableImageError(f"too many pixels: {error}") from error
    if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
        raise UnreadableImageError(f"too many pixels: {image.width} x {image.height}")
    mode = image.mode
    image.load()  # TIFF files stand upright by themselves, and then say so
    if stored:
        return of_array(np.asarray(image))
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    orientation = orientation if orientation in range(1, 9) else 1
    if image.mode == "F" or image.mode.startswith("I"):
        values = np.asarray(image)[..., None]
        signed, bits = values.dtype.kind in "if", 8 * values.dtype.itemsize
        return Values(values, mode, bits, signed=signed, orientation=orientation)
    if image.mode == "P" and image.palette is None:
        image = image.copy()  # which has one: out of an ICNS file comes none
    alpha = image.has_transparency_data
    wanted = "RGBA" if alpha else "L" if image.mode in ("L", "1") else "RGB"
    held = image if image.mode == wanted else image.convert(wanted)
    return Values(held, mode, 1 if mode == "1" else 8, alpha=alpha, orientation=orientation)
