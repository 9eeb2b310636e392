"""The same picture under two classes: one of its labels is wrong."""

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def contradictions(manifest: "pd.DataFrame", images: np.ndarray | None = None) -> list[list[str]]:
    """Groups of images, each as "path (class)", that are the same picture and have different classes.

    manifest: as `packing` writes it. images: the packed pixels, uint8 [n, h, w, 3] in its order; given, files of
    other bytes that decode to the same pixels are the same picture too, unless these are of one colour.
    """
    columns = [manifest[name].tolist() for name in ("path", "class_name", "sha256")]
    marks = [[sha256] for sha256 in columns[2]]
    for row, pixels in enumerate(images if images is not None else ()):
        if pixels.min() != pixels.max():
            marks[row].append(hashlib.sha256(pixels.tobytes()).hexdigest())
    groups: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for path, name, own in zip(columns[0], columns[1], marks, strict=True):
        for mark in own:
            groups[mark].append((path, name))
    found = {
        tuple(f"{path} ({name})" for path, name in group)
        for group in groups.values()
        if len({name for _, name in group}) > 1
    }
    return [list(group) for group in sorted(found) if not any(set(group) < set(other) for other in found)]
