"""What the tags of a TIFF file say of its values: their range, and which pixels are no picture."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tifffile import TiffPage

REDUCED, MASK = 1, 4  # of NewSubfileType
NODATA = 42113  # of GDAL, as text
LARGEST, LEAST, LARGEST_SIGNED, LEAST_SIGNED = 281, 280, 341, 340
PALETTE = 3  # of PhotometricInterpretation


def mask_of(page: "TiffPage", pages: list["TiffPage"]) -> "TiffPage | None":
    """The page that says which pixels of this one are a picture."""
    shape = page.imagelength, page.imagewidth
    masks = (m for m in pages if m.subfiletype & MASK and (m.imagelength, m.imagewidth) == shape)
    return next((mask for mask in masks if mask is not page), None)


def stated(page: "TiffPage", array: np.ndarray, bits: int) -> tuple[float, float] | None:
    """The range of values [h, w, bands] of so many bits, if the bits or the tags say it."""
    if array.dtype.kind == "u" and bits < 8 * array.dtype.itemsize:
        return 0.0, float(2**bits - 1)
    least = _number(page.tags.valueof(LEAST, page.tags.valueof(LEAST_SIGNED, 0)))
    largest = _number(page.tags.valueof(LARGEST, page.tags.valueof(LARGEST_SIGNED)))
    if largest is None or least is None or not least < largest:
        return None
    if array.dtype.kind in "ui" and largest >= np.iinfo(array.dtype).max:
        return None  # of the type of numbers, not of what is in it
    # Some writers fill these in with the numbers of another picture.
    return (least, largest) if array.dtype.kind != "f" and int(array.max()) <= largest else None


def _number(value: Any) -> float | None:
    if isinstance(value, tuple):
        value = value[0] if value else None
    return float(value) if isinstance(value, (int, float)) else None


def valid_pixels(
    page: "TiffPage", pages: list["TiffPage"], array: np.ndarray, orientation: int
) -> np.ndarray | None:
    """bool [h, w]: False where all bands are nodata, or where the file's mask leaves the picture out."""
    valid = None
    text = page.tags.valueof(NODATA)
    try:
        nodata = None if text is None else float(str(text).strip().strip("\0"))
    except ValueError:
        nodata = None
    if nodata is not None and page.photometric != PALETTE:
        bad = (array == nodata) if nodata == nodata else np.isnan(array)
        valid = ~bad.all(axis=2)
    mask = mask_of(page, pages)
    if mask is not None and orientation == 1:
        try:
            shown = mask.asarray(maxworkers=1) > 0
        except Exception:  # a mask that cannot be read leaves nothing out
            shown = None
        if shown is not None and shown.shape == array.shape[:2]:
            valid = shown if valid is None else valid & shown
    return None if valid is None or valid.all() else valid
