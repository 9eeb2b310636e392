"""One image on its way into the array: shown at once, or waiting until the range of its data set is known."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from farfield.datasets.cards import Packing
from farfield.datasets.decoders import Values, look, read, show
from farfield.datasets.decoders.channels import keep, look_at_channels
from farfield.datasets.decoders.picture import Look
from farfield.datasets.decoders.ranges import Range
from farfield.datasets.sources import Box, Data
from farfield.datasets.unfinished import KEPT, Fact


def packed_image(
    data: Data,
    packing: Packing,
    known: Mapping[str, Any],
    before: Fact | None,
    *,
    box: Box | None = None,
    span: Range | None = None,
    channels: Sequence[int] = (),
) -> tuple[Fact, np.ndarray | None]:
    """What is told of an image, and its pixels: uint8 [h, w, 3], or uint16 [h, w, c] of the bands `channels`, if
    any are given. None, and `waiting`, if its data set must give its range first.

    known: the ranges of the data set, by kind of file; of each channel, if channels are given. before:
    what was told of the image when it had to wait; its kind, quantiles and values, where they are still held,
    are taken over, as they are of the same bytes. UnreadableImageError with the reason. Otherwise told: width,
    height, mode, sha256 (of the bytes, and of the box), what `Decoded.read` says, and the kind and quantiles
    if the data set gives the range.
    """
    if before is not None:
        values = before.get(KEPT) or read(data)
        seen = {"kind": before["kind"], "quantiles": list(before["quantiles"])}
    else:
        values, seen = read(data), {}
        if span is None and (found := _look(values, packing, channels, box)) is not None:
            # Arrays may be parts of larger ones, and are at hand again without decoding.
            kept = {KEPT: values} if isinstance(data, bytes) else {}
            return {"waiting": True, "kind": found.kind, "quantiles": found.quantiles, **kept}, None
    shown = partial(keep, numbers=channels) if channels else partial(show, span=span)
    image = shown(values, packing, box=box, known=known)
    told = {"width": image.width, "height": image.height, "mode": image.mode, "sha256": _hash(data, box)}
    return {**seen, **told, **image.read}, image.pixels


def _look(values: Values, packing: Packing, channels: Sequence[int], box: Box | None) -> Look | None:
    return look_at_channels(values, packing, channels, box) if channels else look(values, packing, box)


def _hash(data: Data, box: Box | None) -> str:
    digest = hashlib.sha256(data if isinstance(data, bytes) else data.tobytes())
    if box is not None:
        digest.update(repr(box).encode())
    return digest.hexdigest()
