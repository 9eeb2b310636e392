"""Painting with arrays: pixel grids, soft edges, colours, noise.

Pictures are painted at twice their size, float32 with values 0 to 1, colour planes first
([3, H, W]), and averaged down at the end, which smooths every edge. Coordinates run from -1 to 1
across the picture, so a scene looks the same at every size; only the last grain of noise is drawn
a pixel at a time.
"""

import colorsys
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from farfield.seeds import stream

Array = np.ndarray
TILE = 1024  # texels a side of the noise tiles, a power of two


@cache
def grid(size: int) -> tuple[Array, Array]:
    """Coordinates x (to the right) and y (down) of the pixels of a picture painted at twice `size`."""
    steps = (np.arange(2 * size, dtype=np.float32) + 0.5) / size - 1
    x, y = np.meshgrid(steps, steps)
    x.setflags(write=False)
    y.setflags(write=False)
    return x, y


def turned(x: Array, y: Array, angle: float, scale: float = 1.0) -> tuple[Array, Array]:
    """Coordinates in a frame that is turned by `angle` (radians) and `scale` times as large."""
    c, s = np.float32(np.cos(angle) / scale), np.float32(np.sin(angle) / scale)
    return c * x + s * y, c * y - s * x


def soft(distance: Array, width: float) -> Array:
    """0 where `distance` is far below zero, 1 far above, a ramp of `width` around it."""
    return np.clip(distance * np.float32(1 / width) + np.float32(0.5), 0, 1)


def bump(distance: Array, width: float) -> Array:
    """1 where `distance` is zero, falling smoothly to a quarter at half of `width` and on towards 0."""
    ratio = distance * np.float32(2 / width)
    return (1 + ratio * ratio) ** -2


def shifted(field: Array, down: float, across: float) -> Array:
    """The field [H, W] moved by parts of a picture's side; its border fills the gap."""
    height, width = field.shape
    rows = np.clip(np.arange(height) - round(down * height), 0, height - 1)
    columns = np.clip(np.arange(width) - round(across * width), 0, width - 1)
    return field.take(rows, axis=0).take(columns, axis=1)


def rgb(colour: ArrayLike) -> Array:
    """A colour as an array that broadcasts against colour planes."""
    return np.asarray(colour, dtype=np.float32).reshape(3, 1, 1)


def hsv(hue: float, saturation: float, value: float) -> Array:
    """A colour [3, 1, 1] from hue (in turns), saturation and value; the latter two are clipped."""
    return rgb(colorsys.hsv_to_rgb(hue % 1, min(max(saturation, 0), 1), min(max(value, 0), 1)))


def mix(below: Array, above: Array, cover: Array | float) -> Array:
    """`above` painted over `below` with opacity `cover` [H, W]."""
    return below + (above - below) * cover


@cache
def _tile(name: str) -> Array:
    """A periodic noise field, flat [TILE * TILE]; the tiles are the same for all seeds.

    `fractal` has the 1/f spectrum of natural surfaces. `cells` has one wavelength, a sixteenth of
    the tile, so that its level sets are blotches of one size. Both have mean 0 and standard
    deviation 1. `domes` is a field of cones of slope 1 and heights up to 1, one in each of 16 x 16
    places (Worley's cellular noise): cut at a level, it leaves discs of different size.
    """
    if name == "domes":
        return _domes()
    frequency = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None]) * TILE
    if name == "fractal":
        gain = np.where(frequency > 2, np.maximum(frequency, 1) ** -1.7, 0)
    else:
        gain = np.exp(-(((frequency - 16) / 5) ** 2)) * (frequency > 0)
    white = stream(0, "procedural noise", name).standard_normal((TILE, TILE))
    field = np.fft.irfft2(np.fft.rfft2(white) * gain)
    return (field / field.std()).astype(np.float32).ravel()


def _domes() -> Array:
    places = TILE // 16
    rng = stream(0, "procedural noise", "domes")
    peaks, heights = rng.random((2, 16, 16)), rng.uniform(0.3, 1, (16, 16))
    texel = (np.arange(TILE) + 0.5) / places
    cell = np.arange(TILE) // places
    highest = np.full((TILE, TILE), -2.0)
    for down in (-1, 0, 1):
        for across in (-1, 0, 1):
            row, column = (cell + down)[:, None], (cell + across)[None]
            at = (row % 16, column % 16)
            distance = np.hypot(column + peaks[0][at] - texel[None], row + peaks[1][at] - texel[:, None])
            highest = np.maximum(highest, heights[at] - distance)
    return highest.astype(np.float32).ravel()


def noise(name: str, x: Array, y: Array, rng: np.random.Generator, scale: float = 1.0) -> Array:
    """Noise `fractal`, `cells` or `domes` at points (x, y), shifted at random and stretched by `scale`.

    At scale 1 the picture holds about two periods of `cells` or `domes` from side to side.
    """
    across, down = (rng.random(2) * TILE).tolist()
    texels = np.float32(TILE / 16 / scale)
    column = (x * texels + np.float32(across)).astype(np.int32) & (TILE - 1)
    row = (y * texels + np.float32(down)).astype(np.int32) & (TILE - 1)
    return _tile(name).take(row * TILE + column)


def develop(picture: Array, rng: np.random.Generator, grain: float) -> Array:
    """The finished image, uint8 [size, size, 3] or [size, size], of a picture at twice the size.

    `grain` is the standard deviation of the sensor's noise.
    """
    halves = picture[..., ::2, :] + picture[..., 1::2, :]
    image = (halves[..., ::2] + halves[..., 1::2]) * np.float32(0.25)
    image = image + np.float32(grain) * rng.standard_normal(image.shape, dtype=np.float32)
    pixels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(1, 2, 0))
