"""A picture as a plain viewer shows it, to be held against what a network sees."""

import numpy as np
from PIL import Image

from farfield.datasets.decoders import ranges
from farfield.datasets.decoders.values import Values
from farfield.datasets.sources import Box


def as_stored(values: Values, box: Box | None = None) -> Image.Image:
    """The part in `box` as RGB: bands 1 to 3, or band 1 of fewer; numbers of 8 bits as they are, others from the
    least to the largest in the part.

    Nothing else that the file says is heeded: no window, no white that is least, no padding, no opacity, no
    orientation.
    """
    array = values.array
    if box is not None:
        left, top, right, bottom = box
        array = array[max(top, 0) : bottom, max(left, 0) : right]
    array = array[..., :3] if array.shape[2] > 2 else array[..., :1]
    if array.dtype != np.uint8:
        array = ranges.to_grey(array, _ends(array))
    return Image.fromarray(np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3))))


def _ends(array: np.ndarray) -> ranges.Range:
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    if array.dtype.kind == "b" or not finite.size:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if low < high else ranges.without_contrast(array.dtype, low)
