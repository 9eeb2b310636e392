"""From values to 256 levels of grey: which value is black and which is white.

The rule, in this order:

1. the range that a layout or a card gives (`span`);
2. 8-bit numbers are shown as they are, 1-bit ones as black and white;
3. the range that the file states (a window, the largest value, the bits in use), or that of its modality;
4. the range of the data set: percentiles 0.1 and 99.9 of the valid pixels of its training part, all files of a
   kind together (`kind_of`), every file counted alike, so that differences of brightness between files stay;
5. only where there is no data set, the same percentiles of the file alone.

`out = round(255 * clip((v - low) / (high - low), 0, 1))`, and 255 - out where the least value is white. What is
no picture (nodata, padding, no number) becomes the mean of the rest.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

Range = tuple[float, float]

PERCENTILES = (0.001, 0.999)
SAMPLE = 2**18  # pixels of a file that its quantiles are of, at even distances; at 512 x 512 px all
# Finer towards both ends, where the percentiles lie.
_TAIL = (0.0, 0.0002, 0.0005, 0.001, 0.002, 0.005)
LEVELS = np.array([*_TAIL, *np.linspace(0.01, 0.99, 99), *(1 - level for level in reversed(_TAIL))])


def quantiles(values: np.ndarray, valid: np.ndarray | None) -> list[float] | None:
    """The quantiles of a file at `LEVELS`, of all bands together; None if no value of it is a number.

    values: [h, w, c]. valid: bool [h, w].
    """
    flat = values[valid].ravel() if valid is not None else values.ravel()
    flat = flat[:: max(1, flat.size // SAMPLE)]
    if flat.dtype.kind == "f":
        flat = flat[np.isfinite(flat)]
    if not flat.size:
        return None
    return np.quantile(flat.astype(np.float64), LEVELS).tolist()


def pooled_range(files: Sequence[Sequence[float]]) -> Range:
    """The percentiles of files that are given by their quantiles, each counted alike.

    The share of values up to x is the mean of the files' shares, which lie on straight lines between their
    quantiles; the least x whose share reaches a percentile is found by halving.
    """
    tables = [np.asarray(file) for file in files]
    least, largest = float(min(t[0] for t in tables)), float(max(t[-1] for t in tables))

    def share(x: float) -> float:
        return float(np.mean([np.interp(x, table, LEVELS, left=0.0) for table in tables]))

    def reached(percentile: float) -> float:
        low, high = least, largest
        if share(low) >= percentile:
            return low
        for _ in range(60):
            middle = low + (high - low) / 2
            low, high = (low, middle) if share(middle) >= percentile else (middle, high)
        return high

    low, high = (reached(percentile) for percentile in PERCENTILES)
    return low, high


def ranges_of(files: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Range]:
    """The range of each kind of file of a data set. files: as of `training_part`."""
    return {kind: pooled_range(seen) for kind, seen in training_part(files).items()}


def channel_ranges_of(files: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, list[Range]]:
    """The range of each channel of each kind of file, where `quantiles` are those of each channel."""
    return {
        kind: [pooled_range(channel) for channel in zip(*seen, strict=True)]
        for kind, seen in training_part(files).items()
    }


def training_part(files: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, list[Any]]:
    """The quantiles that the range of each kind of file comes of, by kind.

    files: the split of each, and what is known of it, with `kind` and `quantiles` (of `picture.Look`) if the data
    set must give its range. They are taken from the training part: from the split `train`, if there are none from
    outside of `test`, if there are none from all.
    """
    kinds: dict[str, list[tuple[str, Any]]] = {}
    for split, fact in files:
        if "kind" in fact:
            kinds.setdefault(fact["kind"], []).append((split, fact["quantiles"]))
    found = {}
    for kind, seen in sorted(kinds.items()):
        parts = (
            [values for split, values in seen if split == "train"],
            [values for split, values in seen if split != "test"],
            [values for _, values in seen],
        )
        found[kind] = next(part for part in parts if part)
    return found


def without_contrast(dtype: np.dtype, value: float) -> Range:
    """The range for files that hold `value` alone: that of their type of numbers, or around the value."""
    if dtype.kind == "u" and dtype.itemsize <= 2:
        return 0.0, float(np.iinfo(dtype).max)
    half = max(0.5, 0.001 * abs(value))
    return value - half, value + half


def to_grey(values: np.ndarray, span: Range) -> np.ndarray:
    """uint8, of the shape of the values, by the formula above, not inverted; what is no number becomes 0."""
    low, high = span
    # In place and in single precision where that tells the values apart: pictures may be large.
    wide = values.dtype.itemsize > 4 or (values.dtype.kind in "ui" and values.dtype.itemsize > 2)
    grey: Any = values.astype(np.float64 if wide else np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        grey -= low
        grey *= 255 / (high - low)
    np.nan_to_num(grey, copy=False, nan=0.0, posinf=255.0, neginf=0.0)
    np.clip(grey, 0, 255, out=grey)
    np.rint(grey, out=grey)
    out: np.ndarray = grey.astype(np.uint8)
    return out


def filled(grey: np.ndarray, invalid: np.ndarray) -> np.ndarray:
    """The picture [h, w, c] with the mean of the valid values of each band in the places `invalid`, which is
    bool [h, w] or [h, w, c]; mid-grey where none is valid."""
    where = np.broadcast_to(invalid if invalid.ndim == 3 else invalid[..., None], grey.shape)
    if not where.any():
        return grey
    out = grey.copy()
    for band in range(grey.shape[2]):
        rest = grey[..., band][~where[..., band]]
        out[..., band][where[..., band]] = np.uint8(round(float(rest.mean()))) if rest.size else np.uint8(128)
    return out
