"""What a decoder makes of a file: its values, with all that the file says about them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image


class UnreadableImageError(Exception):
    """The file cannot become pixels, which does not stop the whole dataset; the message is the reason."""


@dataclass(frozen=True)
class Values:
    """The picture in a file as it lies there: neither turned, nor scaled, nor cut.

    held: an array [h, w, c] with the file's own type of numbers; or an image of Pillow, of mode L, RGB or
    RGBA, where Pillow has made it, since copying a large photograph takes a good part of decoding it.
    mode: what the file calls its pixels, for the manifest.
    bits: of a number, as far as the file uses them. signed: whether numbers may be negative.
    alpha: whether the last band is opacity (the largest number is opaque).
    valid: bool [h, w], False where the file says that there is no picture (nodata, padding); None: all is.
    stated: the values (black, white) that the file states for its range, the larger one first if it says
    that white is 0; None if it states none.
    page, pages: which of the pages, frames or slices this is, from 0, and how many there are; None if the
    decoder does not count them.
    orientation: 1 to 8 as in EXIF, how the values must be turned to stand upright.
    """

    held: "np.ndarray | Image.Image"
    mode: str
    bits: int = 8
    signed: bool = False
    alpha: bool = False
    valid: np.ndarray | None = None
    stated: tuple[float, float] | None = None
    page: int = 0
    pages: int | None = None
    orientation: int = 1

    @property
    def array(self) -> np.ndarray:
        """The values [h, w, c], whatever holds them."""
        if isinstance(self.held, np.ndarray):
            return self.held
        array = np.asarray(self.held)
        return array[..., None] if array.ndim == 2 else array

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, before it is turned."""
        if isinstance(self.held, np.ndarray):
            return self.held.shape[1], self.held.shape[0]
        return self.held.size

    @property
    def bands(self) -> int:
        """Numbers a pixel, opacity among them."""
        return self.held.shape[2] if isinstance(self.held, np.ndarray) else len(self.held.getbands())


def of_array(array: np.ndarray) -> Values:
    """The values in an array [h, w] or [h, w, c]; UnreadableImageError if it has another form."""
    whole = array[..., None] if array.ndim == 2 else array
    if whole.ndim != 3 or whole.dtype.kind not in "buif" or 0 in whole.shape:
        raise UnreadableImageError(f"it holds {array.dtype} {list(array.shape)}, not rows of pixels")
    mode = {1: "L", 3: "RGB"}.get(whole.shape[2], f"{whole.shape[2]} bands")
    bits = 1 if whole.dtype.kind == "b" else 8 * whole.dtype.itemsize
    return Values(whole, mode, bits, signed=whole.dtype.kind in "if")
