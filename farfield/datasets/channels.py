"""Packed images of any number of channels, for people and for validation; `packing` writes them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from farfield.files import read_json

if TYPE_CHECKING:
    import pandas as pd

CHUNK = 256


class Kept(NamedTuple):
    """names: of each channel. shown: the channels, from 0, whose means are red, green and blue for people."""

    names: list[str]
    shown: list[list[int]]


def load_channels(folder: Path) -> Kept | None:
    """What is kept of a packed dataset; None if its images are uint8 RGB."""
    file = folder / "channels.json"
    if not file.exists():
        return None
    told = read_json(file)
    return Kept([each["name"] for each in told["channels"]], told["shown"])


def levels(images: np.ndarray) -> np.ndarray:
    """Packed images as uint8: those of 16 bits rounded to 256 levels."""
    if images.dtype == np.uint8:
        return images
    return ((images.astype(np.uint32) + 128) // 257).astype(np.uint8)


def pictures(images: np.ndarray, kept: Kept | None) -> np.ndarray:
    """Packed images [..., c] as people see them: uint8 [..., 3]."""
    if kept is None:
        return images
    means = [images[..., group].mean(axis=-1, dtype=np.float32) for group in kept.shown]
    return np.rint(np.stack(means, axis=-1) / 257).astype(np.uint8)


def channel_table(images: np.ndarray, names: Sequence[str]) -> "pd.DataFrame":
    """Of each channel of packed images uint16 [n, h, w, c], as shares of the whole range: channel (its name),
    least, largest, mean and spread (standard deviation)."""
    import pandas as pd

    sums, squares = np.zeros(len(names)), np.zeros(len(names))
    least, largest = np.ones(len(names)), np.zeros(len(names))
    for start in range(0, len(images), CHUNK):
        part = images[start : start + CHUNK].reshape(-1, len(names)).astype(np.float64) / 65535
        sums += part.sum(axis=0)
        squares += (part**2).sum(axis=0)
        least, largest = np.minimum(least, part.min(axis=0)), np.maximum(largest, part.max(axis=0))
    count = images[..., 0].size
    mean = sums / count
    spread = np.sqrt(np.maximum(squares / count - mean**2, 0))
    columns = {"least": least, "largest": largest, "mean": mean, "spread": spread}
    return pd.DataFrame({"channel": list(names), **columns})
