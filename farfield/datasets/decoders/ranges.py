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

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np

Range = tuple[float, float]

PERCENTILES = (0.001, 0.999)
SAMPLE = 2**18  # pixels of a file that its quantiles are of, at even distances; at 512 x 512 px all
# Finer towards both ends, where the percentiles lie.
_TAIL = (0.0, 0.0002, 0.0005, 0.001, 0.002, 0.005)
LEVELS = np.array([*_TAIL, *np.linspace(0.01, 0.99, 99), *(1 - level for level in reversed(_TAIL))])
TABLES = 2**12  # files whose quantiles are in memory at once
HALVINGS = 60  # of the span of all values: it is then as narrow as numbers are


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
    if flat.dtype.itemsize <= 2 and flat.dtype.kind in "ui" and flat.dtype.isnative:
        return _quantiles_of_short(flat).tolist()
    return np.quantile(flat.astype(np.float64), LEVELS).tolist()


def _quantiles_of_short(flat: np.ndarray) -> np.ndarray:
    """As np.quantile, of whole numbers [n] of 16 bits at most: they are counted, which is much faster than to
    sort them."""
    lowest = int(np.iinfo(flat.dtype).min)
    unsigned = flat.view(f"u{flat.dtype.itemsize}") if not lowest else flat.astype(np.int32) - lowest
    upto = np.cumsum(np.bincount(unsigned))
    place = LEVELS * (len(flat) - 1)
    below = np.floor(place)
    low = np.searchsorted(upto, below, side="right") + float(lowest)
    high = np.searchsorted(upto, np.minimum(below + 1, len(flat) - 1), side="right") + float(lowest)
    return low + (high - low) * (place - below)


def pooled_range(files: Iterable[Sequence[float]]) -> Range:
    """The percentiles of files that are given by their quantiles, each counted alike.

    The share of values up to x is the mean of the files' shares, which lie on straight lines between their
    quantiles; the least x whose share reaches a percentile is found by halving, to the last bit. The quantiles
    lie on disk meanwhile, so that memory does not grow with the number of files.
    """
    with TemporaryFile() as held:
        count = 0
        for file in files:
            held.write(np.asarray(file, dtype=np.float64).tobytes())
            count += 1
        return _percentiles(held, count)


def _percentiles(held: IO[bytes], count: int) -> Range:
    """The values [percentile] of the tables float64 [count, level] in the file."""

    def tables() -> Iterator[np.ndarray]:
        held.seek(0)
        while part := held.read(TABLES * LEVELS.nbytes):
            yield np.frombuffer(part).reshape(-1, len(LEVELS))

    wanted = np.array(PERCENTILES)
    ends = np.array([(table[:, 0].min(), table[:, -1].max()) for table in tables()])
    low, high = np.full(2, ends[:, 0].min()), np.full(2, ends[:, 1].max())

    def reached(points: np.ndarray) -> np.ndarray:
        return sum(_shares(table, points) for table in tables()) / count >= wanted

    high = np.where(reached(low), low, high)
    for _ in range(HALVINGS):
        middle = low + (high - low) / 2
        below = reached(middle)
        low, high = np.where(below, low, middle), np.where(below, middle, high)
    return float(high[0]), float(high[1])


def _shares(tables: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The sum over files of the share of values up to each of the points [k], by their tables [n, level]."""
    sums = np.empty(len(points))
    for number, point in enumerate(points):
        after = (tables <= point).sum(axis=1)
        inside = (after > 0) & (after < len(LEVELS))
        rows, place = np.flatnonzero(inside), after[inside]
        start, end = tables[rows, place - 1], tables[rows, place]
        part = (point - start) / (end - start)
        between = LEVELS[place - 1] + part * (LEVELS[place] - LEVELS[place - 1])
        sums[number] = between.sum() + np.count_nonzero(after == len(LEVELS))
    return sums


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
    short = values.dtype.itemsize == 2 and values.dtype.kind in "ui" and values.dtype.isnative
    if short and values.size >= 2**16:
        return _table(values.dtype.str, span)[values.view(np.uint16)]
    return _grey(values, span)


@lru_cache(maxsize=16)
def _table(dtype: str, span: Range) -> np.ndarray:
    """uint8 [65536]: the grey of each number of 16 bits, by its bits; a data set has few ranges."""
    return _grey(np.arange(2**16, dtype=np.uint16).view(dtype), span)


def _grey(values: np.ndarray, span: Range) -> np.ndarray:
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
