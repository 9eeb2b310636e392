"""Surfaces that fill the picture: stands in for Describable Textures (DTD), as a source.

Colour, but no things and no scene: a class is what the surface does (stripes, dots, cracks, weave).
Colours, scale, direction, slant towards the camera, relief and light vary within a class.
"""

from collections.abc import Callable

import numpy as np

from farfield.datasets.procedural.canvas import (
    Array,
    bump,
    develop,
    grid,
    hsv,
    mix,
    noise,
    soft,
    turned,
)

Generator = np.random.Generator
FEW = 2.2  # cells from the middle of a picture to its side, where a pattern is neither coarse nor fine


def _wave(phase: Array, duty: float, edge: float = 0.12) -> Array:
    """Bands of period 1: 1 within `duty` of each period, soft edges."""
    return soft(duty / 2 - np.abs(phase % 1 - 0.5), edge)


def _cell(x: Array, y: Array) -> tuple[Array, Array]:
    """The place within unit cells, from -0.5 to 0.5."""
    return x % 1 - 0.5, y % 1 - 0.5


def _relief(height: Array) -> Array:
    """How a surface of this height shines under light from the upper left: its slope, across a picture."""
    # Over a fortieth of the picture: noise is read at whole texels, so the nearest pixels make stairs.
    pixels = max(1, round(len(height) / 40))
    rise = height[pixels:, pixels:] - height[:-pixels, :-pixels]
    return np.pad(rise, ((0, pixels), (0, pixels)), "edge") * np.float32(len(height) / 2 / pixels)


def _lattice(x: Array, y: Array) -> Array:
    """Distance to the nearest point of a triangular lattice of spacing 1."""
    tall = np.float32(3**0.5)
    first = np.hypot(x % 1 - 0.5, y % tall - tall / 2)
    return np.minimum(first, np.hypot((x + 0.5) % 1 - 0.5, (y + tall / 2) % tall - tall / 2))


def _striped(x: Array, y: Array, rng: Generator) -> Array:
    return _wave(x, rng.uniform(0.3, 0.7))


def _banded(x: Array, y: Array, rng: Generator) -> Array:
    """Layers of many widths, as in rock."""
    return 0.5 + 0.5 * noise("fractal", 0 * x, y + 0.1 * noise("fractal", x, y, rng, 3), rng, 1.2)


def _zigzag(x: Array, y: Array, rng: Generator) -> Array:
    return _wave(y + rng.uniform(0.6, 1.2) * np.abs(x % 1 - 0.5), rng.uniform(0.35, 0.6))


def _wavy(x: Array, y: Array, rng: Generator) -> Array:
    return _wave(y + rng.uniform(0.15, 0.3) * np.sin(2 * np.pi * x * rng.uniform(0.5, 0.9)), 0.5, 0.3)


def _dotted(x: Array, y: Array, rng: Generator) -> Array:
    return soft(rng.uniform(0.2, 0.36) - _lattice(x, y), 0.08)


def _ringed(x: Array, y: Array, rng: Generator) -> Array:
    return bump(_lattice(x, y) - rng.uniform(0.25, 0.36), rng.uniform(0.14, 0.22))


def _chequered(x: Array, y: Array, rng: Generator) -> Array:
    u, v = _cell(x / 1.3, y / 1.3)
    return soft(u * v, 0.02)


def _grid(x: Array, y: Array, rng: Generator) -> Array:
    u, v = _cell(x, y)
    thin = rng.uniform(0.06, 0.14)
    return 1 - soft(thin - np.minimum(np.abs(u), np.abs(v)), 0.06)


def _plaid(x: Array, y: Array, rng: Generator) -> Array:
    along = 0.6 * _wave(x * 0.7, 0.5, 0.05) + 0.4 * _wave(x * 0.7 + 0.3, 0.12, 0.05)
    return 0.5 * along + 0.5 * (0.6 * _wave(y * 0.7, 0.5, 0.05) + 0.4 * _wave(y * 0.7 + 0.3, 0.12, 0.05))


def _honeycombed(x: Array, y: Array, rng: Generator) -> Array:
    return soft(0.55 - rng.uniform(0.06, 0.14) - _lattice(x, y), 0.1)


def _bricked(x: Array, y: Array, rng: Generator) -> Array:
    row = np.floor(1.4 * y)
    u, v = _cell(0.7 * x + 0.5 * (row % 2), 1.4 * y)
    gap = rng.uniform(0.04, 0.09)
    tint = np.sin(row * 12.9 + np.floor(0.7 * x + 0.5 * (row % 2)) * 78.2) * 0.15
    return (0.85 + tint) * soft(np.minimum(0.5 - np.abs(u), 0.5 - np.abs(v)) - gap, 0.06)


def _woven(x: Array, y: Array, rng: Generator) -> Array:
    """Threads that go over and under each other in turn."""
    u, v = _cell(x, y)
    over = (np.floor(x) + np.floor(y)) % 2 == 0
    lying, standing = np.cos(np.pi * v) * (0.6 + 0.4 * np.cos(np.pi * u)), np.cos(np.pi * u)
    return np.where(over, lying, standing * (0.3 + 0.3 * np.cos(np.pi * v)))


def _scaly(x: Array, y: Array, rng: Generator) -> Array:
    """Rows of overlapping round scales."""
    best = np.zeros_like(x)
    for back in (0, 1):  # the row in front hides the one behind it
        row = np.floor(1.6 * y) + 1 - back
        u = (x + 0.5 * (row % 2)) % 1 - 0.5
        depth = (1.6 * y - row + 1) / 1.6
        distance = np.hypot(u, depth - 0.05)
        best = np.where(distance < 0.62, 1 - 1.4 * distance, best)
    return np.clip(best, 0, 1)


def _spiralled(x: Array, y: Array, rng: Generator) -> Array:
    x, y = x - rng.uniform(-1, 1), y - rng.uniform(-1, 1)
    turns = np.arctan2(y, x) * int(rng.integers(1, 4)) / (2 * np.pi)
    return _wave(np.hypot(x, y) * 0.9 + rng.choice((-1, 1)) * turns, 0.5, 0.2)


def _cracked(x: Array, y: Array, rng: Generator) -> Array:
    split = np.abs(noise("cells", x, y, rng, 2.4)) + 0.12 * np.abs(noise("fractal", x, y, rng, 1))
    return soft(split - rng.uniform(0.12, 0.22), 0.16)


def _marbled(x: Array, y: Array, rng: Generator) -> Array:
    flow = 1.1 * noise("fractal", x, y, rng, 6)
    return 1 - bump((0.5 * x + flow) % 1 - 0.5, rng.uniform(0.25, 0.5)) + 0.1 * noise("fractal", x, y, rng, 1)


def _blotchy(x: Array, y: Array, rng: Generator) -> Array:
    return soft(noise("cells", x, y, rng, rng.uniform(2.4, 3.4)) - rng.uniform(-0.3, 0.5), 0.25)


def _bubbly(x: Array, y: Array, rng: Generator) -> Array:
    """Round drops, each with a glint."""
    drop = noise("domes", x, y, rng, 2)
    lit = np.clip(0.15 * _relief(drop), -0.5, 0.5)
    return 0.35 + 0.35 * soft(drop - 0.25, 0.1) + lit


def _porous(x: Array, y: Array, rng: Generator) -> Array:
    holes = noise("domes", x, y, rng, rng.uniform(0.8, 1.5))
    return 0.9 - 0.9 * soft(holes - rng.uniform(0.35, 0.5), 0.12) + 0.06 * noise("fractal", x, y, rng, 0.5)


def _fibrous(x: Array, y: Array, rng: Generator) -> Array:
    """Fine fibres that all run roughly one way."""
    off = y + 0.12 * noise("fractal", x, y, rng, 5)
    return 0.5 + 0.3 * noise("fractal", 0.08 * x, off, rng, 0.9)


def _sprinkled(x: Array, y: Array, rng: Generator) -> Array:
    """Short strokes strewn at random."""
    found = np.zeros_like(x)
    for _ in range(int(rng.integers(50, 90))):
        u, v = turned(x - rng.uniform(-3.2, 3.2), y - rng.uniform(-3.2, 3.2), rng.uniform(0, np.pi))
        found = np.maximum(found, soft(0.09 - np.maximum(np.abs(u) - 0.22, np.abs(v)), 0.06))
    return found


def _wrinkled(x: Array, y: Array, rng: Generator) -> Array:
    """Creased paper or cloth: facets, lit from one side."""
    folds = np.zeros_like(x)
    for _ in range(9):
        _, off = turned(x, y, rng.uniform(0, np.pi))
        folds = folds + np.abs(off - rng.uniform(-2, 2) + 0.3 * noise("fractal", x, y, rng, 5))
    rise = _relief(folds)
    return 0.5 + rise / (3 * rise.std())


SURFACES: dict[str, Callable[[Array, Array, Generator], Array]] = {
    "striped": _striped,
    "cracked": _cracked,
    "dotted": _dotted,
    "woven": _woven,
    "marbled": _marbled,
    "chequered": _chequered,
    "fibrous": _fibrous,
    "honeycombed": _honeycombed,
    "blotchy": _blotchy,
    "zigzag": _zigzag,
    "porous": _porous,
    "bricked": _bricked,
    "wrinkled": _wrinkled,
    "grid": _grid,
    "bubbly": _bubbly,
    "spiralled": _spiralled,
    "sprinkled": _sprinkled,
    "scaly": _scaly,
    "banded": _banded,
    "plaid": _plaid,
    "wavy": _wavy,
    "ringed": _ringed,
}
CLASSES = tuple(SURFACES)


def name(index: int, seed: int) -> str:
    return CLASSES[index]


def draw(rng: Generator, index: int, size: int, seed: int) -> Array:
    """One picture of class `index`: uint8 [size, size, 3]."""
    x, y = grid(size)
    shade = 1 + rng.uniform(-0.3, 0.3) * x + rng.uniform(-0.3, 0.3) * y
    slant = 1 + rng.uniform(-0.25, 0.25) * y  # the surface leans away from the camera
    fine = FEW * rng.uniform(0.75, 1.5)
    u, v = turned(x * slant, y * slant, rng.uniform(0, 2 * np.pi), 1 / fine)
    bend = rng.uniform(0, 0.12)
    u, v = u + bend * noise("fractal", x, y, rng, 3), v + bend * noise("fractal", x, y, rng, 3)
    cover = np.clip(SURFACES[CLASSES[index]](u + rng.uniform(0, 1), v + rng.uniform(0, 1), rng), 0, 1)
    hue, light = rng.random(), rng.permutation([rng.uniform(0.15, 0.5), rng.uniform(0.6, 0.97)])
    one = hsv(hue, rng.uniform(0.1, 0.8), light[0])
    other = hsv(hue + rng.choice((0, 0.06, 0.3, 0.5)), rng.uniform(0.05, 0.7), light[1])
    rough = 1 + rng.uniform(0.02, 0.1) * noise("fractal", x, y, rng, 0.4)
    return develop(mix(one, other, cover) * rough * shade, rng, 0.02)
