"""Pictures that went wrong on the way from values to grey: flat, nearly black, or inverted."""

from typing import TYPE_CHECKING

import numpy as np

from farfield.datasets.channels import levels
from farfield.errors import first_few

if TYPE_CHECKING:
    import pandas as pd

FLAT = 2  # levels between the darkest and the brightest pixel, at most
DARK, LIT = 24, 0.01  # a picture is nearly black if so small a share of its pixels reaches this level
SIDE = 16  # of the small copies that are compared
ALIKE = 0.6  # correlation of most pictures of a class with the others, where one can be told to be inverted
FEWEST = 5  # pictures of a class of which one can be told to be the odd one
CHUNK = 256


def with_oddities(manifest: "pd.DataFrame", images: np.ndarray, labels: np.ndarray) -> "pd.DataFrame":
    """The manifest with the columns `flat`, `black` and `inverted`, bool.

    images: packed, [n, h, w, c]. labels: [n]. A picture is inverted if its small copy correlates with the
    mean of the others of its class below -`ALIKE`, where most of them correlate with the mean of their others
    above `ALIKE`: radiographs of one view do, photographs do not.
    """
    flat, black = np.zeros(len(images), bool), np.zeros(len(images), bool)
    small = np.zeros((len(images), images.shape[3] * SIDE * SIDE), np.float32)
    rows = np.linspace(0, images.shape[1] - 1, SIDE).round().astype(int)
    columns = np.linspace(0, images.shape[2] - 1, SIDE).round().astype(int)
    for start in range(0, len(images), CHUNK):
        chunk = levels(np.asarray(images[start : start + CHUNK]))
        part = slice(start, start + len(chunk))
        brightest = chunk.max(axis=3)
        flat[part] = np.ptp(chunk.reshape(len(chunk), -1), axis=1) <= FLAT
        black[part] = (brightest >= DARK).mean(axis=(1, 2)) < LIT
        small[part] = chunk[:, rows][:, :, columns].reshape(len(chunk), -1)
    return manifest.assign(flat=flat, black=black, inverted=_inverted(small, labels) & ~flat)


def remarks_on_odd(manifest: "pd.DataFrame", shown: int = 5) -> list[str]:
    """One line a kind of odd picture, with files of it. manifest: with the columns of `with_oddities`."""
    kinds = {"flat": "flat", "black": "nearly black", "inverted": "the negative of others of the class"}
    lines = []
    for column, what in kinds.items():
        paths = manifest.loc[
            manifest[column] & ~manifest["flat"] | manifest["flat"] & (column == "flat"), "path"
        ]
        if len(paths):
            count = "1 picture is" if len(paths) == 1 else f"{len(paths)} pictures are"
            lines.append(f"{count} {what}: {first_few(list(paths), shown=shown)}")
    return lines


def _inverted(small: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """bool [n] of small copies [n, d]."""
    small = small - small.mean(axis=1, keepdims=True)
    small /= np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-6)
    out = np.zeros(len(small), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) < FEWEST:
            continue
        others = small[members].sum(axis=0) - small[members]
        others /= np.maximum(np.linalg.norm(others, axis=1, keepdims=True), 1e-6)
        alike = (small[members] * others).sum(axis=1)
        if np.median(alike) > ALIKE:
            out[members] = alike < -ALIKE
    return out
