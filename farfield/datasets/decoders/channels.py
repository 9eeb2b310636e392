"""Bands of a file that are kept as they are, as many as a card's `channels` says: uint16, upright, packed.

| values | outcome |
|---|---|
| the bands with the card's numbers | a channel each, in the card's order; opacity is a band like others |
| a range that the card or the file states, 8 bits | the same for all channels |
| else | a range of each channel, that of the training part of its data set (`ranges`) |
| a value | round(65535 (v - low) / (high - low)), between 0 and 65535; 65535 less that where the least is white |
| what is no picture (nodata, padding, no number) | the mean of the rest of its channel |

Resizing is that of `rgb`, on numbers that are not rounded before.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from farfield.datasets.cards import Packing
from farfield.datasets.decoders import bands, ranges
from farfield.datasets.decoders.picture import Look, inside, kind_of, own_range
from farfield.datasets.decoders.ranges import Range
from farfield.datasets.decoders.rgb import Decoded, decoded, packed
from farfield.datasets.decoders.values import UnreadableImageError, Values
from farfield.datasets.sources import Box

WHITE = 65535


def look_at_channels(
    values: Values, packing: Packing, numbers: Sequence[int], box: Box | None = None
) -> Look | None:
    """As `picture.look`, with the quantiles of each channel."""
    if own_range(values, packing) is not None:
        return None
    array, valid = _cut(values, numbers, box)
    found = [ranges.quantiles(array[..., [channel]], valid) for channel in range(len(numbers))]
    # A channel without a number in this file says nothing of the range, and the file has no other to offer.
    if any(channel is None for channel in found):
        raise UnreadableImageError("a band of it holds no number at all")
    return Look(kind_of(values), [channel for channel in found if channel is not None])


def keep(
    values: Values,
    packing: Packing,
    numbers: Sequence[int],
    box: Box | None = None,
    known: Mapping[str, Sequence[Range]] | None = None,
) -> Decoded:
    """The bands with these numbers, from 1, by the table: uint16 [h, w, c].

    known: the ranges of the data set, one a channel, by kind of file; of a kind that it does not have, each
    channel is shown in its own. UnreadableImageError with the reason.
    """
    array, valid = _cut(values, numbers, box)
    own = own_range(values, packing)
    spans: Sequence[Range] | None = (
        [own] * len(numbers) if own is not None else (known or {}).get(kind_of(values))
    )
    if spans is None:
        alone = [ranges.quantiles(array[..., [channel]], valid) for channel in range(len(numbers))]
        spans = [(0.0, 1.0) if found is None else ranges.pooled_range([found]) for found in alone]
    channels = []
    for channel, (low, high) in enumerate(spans):
        plane = array[..., channel]
        span = (low, high) if low != high else ranges.without_contrast(plane.dtype, low)
        image = Image.fromarray(_scaled(plane, span, valid, values.inverted))
        channels.append(np.asarray(packed(image, values.orientation, packing)))
    pixels = np.clip(np.rint(np.stack(channels, axis=2)), 0, WHITE).astype(np.uint16)
    ends = min(low for low, _ in spans), max(high for _, high in spans)
    said = f"{len(numbers)} of {values.bands} bands kept as channels"
    said += "" if own is not None else ", each in a range of its own"
    return decoded(values, pixels, ends, "; ".join(filter(None, [values.remark, said])))


def _cut(values: Values, numbers: Sequence[int], box: Box | None) -> tuple[np.ndarray, np.ndarray | None]:
    """The bands [h, w, c] and the valid pixels [h, w] of what lies in the box."""
    array, valid = bands.chosen(values.array, numbers), values.valid
    if box is None:
        return array, valid
    left, top, right, bottom = inside(values.size, box)
    cut = slice(top, bottom), slice(left, right)
    return array[cut], None if valid is None else valid[cut]


def _scaled(plane: np.ndarray, span: Range, valid: np.ndarray | None, inverted: bool) -> np.ndarray:
    """float32 [h, w] from 0 to `WHITE`, by the table."""
    low, high = span
    known = np.isfinite(plane) if plane.dtype.kind == "f" else np.ones(plane.shape, bool)
    known = known if valid is None else known & valid
    share = np.clip((np.where(known, plane, low).astype(np.float64) - low) / (high - low), 0, 1)
    share = 1 - share if inverted else share
    out: np.ndarray = (WHITE * np.where(known, share, share[known].mean() if known.any() else 0.5)).astype(
        np.float32
    )
    return out
