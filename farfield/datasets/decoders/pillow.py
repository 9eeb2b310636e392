"""Whatever Pillow reads: photographs, scans and drawings.

Colour models, palettes and transparency are turned into grey, RGB or RGBA by Pillow itself; 16-bit grey,
integers and floating-point numbers stay what they are. Of several frames the first counts. What stands beside the
picture (EXIF, XMP, profiles) never costs it: a file that fails for such a part is read again without it.
"""

import io
from typing import Any

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from farfield.datasets.decoders import metadata, others
from farfield.datasets.decoders.values import UnreadableImageError, Values, of_array

SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".pgm", ".ppm",
    ".pnm", ".avif",
)  # fmt: skip

STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")  # of the commonest


def knows(data: bytes) -> bool:
    return True  # it looks at the first bytes itself, so it is asked last


def read(data: bytes, *, stored: bool) -> Values:
    image, pages = opened(data)
    mode = image.mode
    if stored:
        return of_array(np.asarray(image))
    about: dict[str, Any] = {
        "orientation": orientation(image),
        "pages": pages,
        "compression": str(image.info.get("compression", "")),
    }
    if image.mode == "F" or image.mode.startswith("I"):
        values = np.asarray(image)[..., None]
        signed, bits = values.dtype.kind in "if", 8 * values.dtype.itemsize
        return Values(values, mode, bits, signed=signed, **about)
    if image.mode == "P" and image.palette is None:
        image = image.copy()  # which has one: out of an ICNS file comes none
    alpha = image.has_transparency_data
    wanted = "RGBA" if alpha else "L" if image.mode in ("L", "1") else "RGB"
    held = image if image.mode == wanted else image.convert(wanted)
    bits = 1 if mode == "1" else 8
    return Values(held, mode, bits, alpha=alpha, colour=wanted != "L", **about)


def opened(data: bytes) -> tuple[Image.Image, int]:
    """The first picture of the file, loaded, and how many there are; a TIFF stands upright already.

    UnreadableImageError with the reason.
    """
    try:
        return _loaded(data)
    except Exception as error:
        bare = metadata.without(data)
        if bare is not None:
            try:
                return _loaded(bare)
            except Exception:  # the picture itself is damaged, and the first reason is the better one
                pass
        if isinstance(error, UnidentifiedImageError) or "cannot find loader" in str(error):
            what = others.named(data)
            raise UnreadableImageError(f"not an image that Pillow knows{what and ': ' + what}") from error
        if isinstance(error, Image.DecompressionBombError):
            raise UnreadableImageError(f"too many pixels: {error}") from error
        raise


def _loaded(data: bytes) -> tuple[Image.Image, int]:
    image: Image.Image = Image.open(io.BytesIO(data))
    try:
        pages = int(getattr(image, "n_frames", 1))
    except Exception:  # a later one is damaged, or of a kind that Pillow does not know: nothing to the first
        image, pages = Image.open(io.BytesIO(data)), 1
    require_pixels(image.width, image.height)
    image.load()
    return image, pages


def require_pixels(width: int, height: int) -> None:
    """UnreadableImageError beyond Pillow's limit, which guards against files made to fill the memory."""
    if Image.MAX_IMAGE_PIXELS and width * height > Image.MAX_IMAGE_PIXELS:
        raise UnreadableImageError(f"too many pixels: {width} x {height}")


def orientation(image: Image.Image) -> int:
    """1 to 8 of EXIF or XMP; 1 where there is none, or none that can be read."""
    try:
        found = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # tags that are no EXIF raise all kinds of errors
        found = metadata.exif_orientation(image.info.get("exif", b""))
    return found if found in range(1, 9) else 1
