"""What a kind of file is, and the rule from values to grey written out in plain numpy."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

HEIGHT, WIDTH = 40, 48


@dataclass(frozen=True)
class Kind:
    """bands: with opacity. write: a file of the kind. shown: the grey [h, w] or RGB [h, w, 3] that the reader,
    called in the plainest way, and the rule give for the file. extra: of farfield, that one of both needs."""

    format: str
    bits: str
    colours: str
    bands: int
    pages: int
    packed: str
    writer: str
    reader: str
    write: Callable[[], bytes]
    shown: Callable[[bytes], np.ndarray]
    extra: str = ""

    @property
    def name(self) -> str:
        return f"{self.format} {self.bits} {self.colours} x {self.bands}, {self.pages} p., {self.packed}"


def values(dtype: str, bands: int = 1, low: float = 0, high: float = 4095) -> np.ndarray:
    """A ramp to the right and a flatter one downwards with some noise, [h, w] or [h, w, bands], each band of
    its own slope: cut ranges, wrong signs, inversions, turned axes and swapped bands all change it."""
    down, right = np.mgrid[:HEIGHT, :WIDTH] / (WIDTH - 1)
    slope = np.linspace(1, 0.4, bands)
    ramp = (0.7 * right + 0.25 * down)[..., None] * slope
    ramp = ramp + np.random.default_rng(0).uniform(0, 0.02, (HEIGHT, WIDTH, bands))
    out = np.clip(low + (high - low) * ramp, low, high)
    whole = out if np.dtype(dtype).kind == "f" else np.rint(out)
    return whole.astype(dtype)[..., 0 if bands == 1 else slice(None)]


def between(array: np.ndarray, low: float, high: float) -> np.ndarray:
    """The rule: `low` is black and `high` white."""
    return np.rint(255 * np.clip((np.asarray(array, np.float64) - low) / (high - low), 0, 1))


def by_percentiles(array: np.ndarray) -> np.ndarray:
    """The rule for a file alone, which states no range."""
    array = np.asarray(array, np.float64)
    return between(array, *np.percentile(array[np.isfinite(array)], (0.1, 99.9)))


def three(array: np.ndarray) -> np.ndarray:
    """More than four bands [h, w, c] as the means of three groups of neighbours, the last as red."""
    groups = np.array_split(np.arange(array.shape[2]), 3)[::-1]
    return np.stack([array[..., group].astype(np.float64).mean(axis=2) for group in groups], axis=2)


def on_white(colours: np.ndarray, opacity: np.ndarray, largest: float) -> np.ndarray:
    """Colours [h, w, c] of 0 to 255 under opacity [h, w]."""
    share = (opacity / largest)[..., None]
    return colours * share + 255 * (1 - share)


def apart(pixels: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference in grey levels between pixels [h, w, 3] and what is expected."""
    wanted = expected if expected.ndim == 3 else expected[..., None]
    assert pixels.shape[:2] == wanted.shape[:2], f"{pixels.shape} is not {wanted.shape}"
    return float(np.abs(pixels.astype(np.float64) - np.rint(wanted)).max())
