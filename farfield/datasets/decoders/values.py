"""What a decoder makes of a file: its values, with all that the file says about them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image


class UnreadableImageError(Exception):
    """The file cannot become pixels, which does not stop the whole dataset; the message is the reason."""


def needs_extra(what: str, extra: str) -> UnreadableImageError:
    """The reason why a whole file is not read: the packages for its format are not installed."""
    return UnreadableImageError(
        f"{what}: reading it needs the extra `{extra}`: pip install 'farfield[{extra}]'"
    )


@dataclass(frozen=True)
class Values:
    """The picture in a file as it lies there: neither turned, nor scaled, nor cut.

    held: an array [h, w, c] with the file's own type of numbers; or an image of Pillow, of mode L, RGB or
    RGBA, where Pillow has made it, since copying a large photograph takes a good part of decoding it.
    mode: what the file calls its pixels, for the manifest.
    bits: of a number, as far as the file says that it uses them. signed: whether numbers may be negative.
    alpha: whether the last band is opacity (the largest number is opaque).
    colour: whether the file says that the first three bands are red, green and blue.
    valid: bool [h, w], False where the file says that there is no picture (nodata, padding); None: all is.
    stated: the least and the largest value of the range that the file, or what it is of, states; None if
    nothing does. inverted: whether its least value is white.
    modality: of what device, if the file says it: files of one modality are shown in one range.
    page, pages: which of the pages, frames or slices this is, from 0, and how many there are; None if the
    decoder does not count them.
    orientation: 1 to 8 as in EXIF, how the values must be turned to stand upright.
    compression: as the format calls it; empty if the decoder does not say.
    remark: what else people should know of how the picture was taken out of the file.
    """

    held: "np.ndarray | Image.Image"
    mode: str
    bits: int = 8
    signed: bool = False
    alpha: bool = False
    colour: bool = False
    valid: np.ndarray | None = None
    stated: tuple[float, float] | None = None
    inverted: bool = False
    modality: str = ""
    page: int = 0
    pages: int | None = None
    orientation: int = 1
    compression: str = ""
    remark: str = ""

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
    colour = whole.shape[2] == 3
    return Values(whole, mode, bits, signed=whole.dtype.kind in "if", colour=colour)
