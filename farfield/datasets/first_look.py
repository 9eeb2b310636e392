"""One image on its way into the array: shown at once, or waiting until the range of its data set is known."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from farfield.datasets.cards import Packing
from farfield.datasets.decoders import look, read, show
from farfield.datasets.decoders.ranges import Range
from farfield.datasets.sources import Box, Data
from farfield.datasets.unfinished import Fact


def packed_image(
    data: Data,
    packing: Packing,
    known: Mapping[str, Range],
    before: Fact | None,
    *,
    box: Box | None = None,
    span: Range | None = None,
) -> tuple[Fact, np.ndarray | None]:
    """What is told of an image, and its pixels uint8 [h, w, 3]; None, and `waiting`, if its data set must give
    its range first.

    known: the ranges of the data set, by kind of file. before: what was told of the image when it had to wait;
    its kind and quantiles are taken over, as they are of the same bytes. UnreadableImageError with the reason.
    Otherwise told: width, height, mode, sha256 (of the bytes, and of the box), what `Decoded.read` says, and the
    kind and quantiles if the data set gives the range.
    """
    values = read(data)
    if before is not None:
        seen = {"kind": before["kind"], "quantiles": list(before["quantiles"])}
    else:
        found = look(values, packing, box) if span is None else None
        seen = {} if found is None else asdict(found)
        if seen:
            return {"waiting": True, **seen}, None
    image = show(values, packing, box, span, known)
    told = {"width": image.width, "height": image.height, "mode": image.mode, "sha256": _hash(data, box)}
    return {**seen, **told, **image.read}, image.pixels


def _hash(data: Data, box: Box | None) -> str:
    digest = hashlib.sha256(data if isinstance(data, bytes) else data.tobytes())
    if box is not None:
        digest.update(repr(box).encode())
    return digest.hexdigest()
