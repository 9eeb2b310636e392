"""Land seen from straight above: stands in for EuroSAT.

Colour, natural and built content, but no perspective: up and down mean nothing. Classes are land
uses. Season, region, haze and orientation vary within a class, and the classes share their
colours: water is also in forests, fields surround rivers and roads.
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
    rgb,
    shifted,
    soft,
    turned,
)

Generator = np.random.Generator


def _green(rng: Generator, value: float = 0.42) -> Array:
    """The colour of plants: from lush to parched."""
    return hsv(rng.normal(0.24, 0.03), rng.uniform(0.3, 0.55), value + rng.normal(0, 0.04))


def _soil(rng: Generator, value: float = 0.55) -> Array:
    return hsv(rng.normal(0.085, 0.02), rng.uniform(0.2, 0.45), value + rng.normal(0, 0.08))


def _water(rng: Generator) -> Array:
    return hsv(rng.normal(0.53, 0.045), rng.uniform(0.25, 0.6), rng.uniform(0.22, 0.45))


def _cells(x: Array, y: Array, rng: Generator, columns: float, rows: float) -> tuple[Array, Array, Array]:
    """A grid whose rows are shifted against each other: the number (0 to 63) of each cell, place in it."""
    u, v = x * columns + rng.random(), y * rows + rng.random()
    row = np.floor(v).astype(np.int32)
    u = u + rng.random(16, dtype=np.float32).take(row & 15)
    column = np.floor(u).astype(np.int32)
    return (column * 11 + row * 29) & 63, u - column, v - row


def _parcels(x: Array, y: Array, rng: Generator) -> Array:
    """Fields: parcels of one crop each, with furrows along the parcel."""
    x, y = turned(x, y, rng.uniform(0, 6.28))
    y = y + rng.normal(0, 0.08) * x * x
    crop, u, v = _cells(x, y, rng, rng.uniform(0.5, 1.1), rng.uniform(1.1, 2.4))
    colours = np.concatenate([_green(rng) if rng.random() < 0.55 else _soil(rng) for _ in range(64)], axis=1)
    land = colours[:, :, 0].take(crop, axis=1)
    furrows = np.sin(y * rng.uniform(35, 60)) * rng.uniform(0, 0.12, 64).astype(np.float32).take(crop)
    land = land * (1 + furrows + 0.06 * noise("fractal", x, y, rng, 0.3))
    hedge = np.maximum(bump(np.minimum(u, 1 - u), 0.05), bump(np.minimum(v, 1 - v), 0.08))
    return mix(land, _green(rng, 0.28), rng.uniform(0.3, 0.9) * hedge)


def _trees(x: Array, y: Array, rng: Generator, scale: float) -> tuple[Array, Array]:
    """The height of crowns, and their colour, lit from one side."""
    height = noise("domes", x, y, rng, scale)
    lit = np.clip(2.2 * (height - shifted(height, 1 / 80, 1 / 80)), -0.4, 0.4)
    return height, _green(rng, 0.3) * (0.72 + 0.6 * height + lit)


def _countryside(x: Array, y: Array, rng: Generator) -> Array:
    """What surrounds rivers, roads and lakes: fields, meadow, scrub or wood."""
    surroundings = (_parcels, _pasture, _herbs, _forest)
    return surroundings[rng.choice(4, p=(0.3, 0.4, 0.2, 0.1))](x, y, rng)


def _forest(x: Array, y: Array, rng: Generator) -> Array:
    _, wood = _trees(x, y, rng, rng.uniform(0.2, 0.36))
    return wood * (1 + 0.16 * noise("fractal", x, y, rng, 1.5))


def _pasture(x: Array, y: Array, rng: Generator) -> Array:
    land = _green(rng, 0.5) * (1 + 0.07 * noise("fractal", x, y, rng, 1.2))
    land = mix(land, _soil(rng), 0.4 * soft(noise("fractal", x, y, rng, 1.5) - 0.8, 1.5))
    crowns, wood = _trees(x, y, rng, 0.3)
    land = mix(land, wood, soft(crowns - rng.uniform(0.6, 1.0), 0.1))
    along, off = turned(x, y, rng.uniform(0, 6.28))
    hedge = bump(off - rng.uniform(-0.8, 0.8) + 0.05 * np.sin(along * 4), 0.08)
    return mix(land, wood, rng.uniform(0, 1) * hedge)


def _herbs(x: Array, y: Array, rng: Generator) -> Array:
    """Scrub: tufts of all sizes on poor soil."""
    tufts = noise("fractal", x, y, rng, 0.35)
    land = mix(_soil(rng, 0.5), _green(rng, 0.45), rng.uniform(0.2, 0.8))
    land = mix(land, _green(rng, 0.36), soft(tufts, 3))
    shrubs, wood = _trees(x, y, rng, rng.uniform(0.16, 0.26))
    return mix(land, wood, soft(shrubs - 0.55 + 0.15 * tufts, 0.15))


def _orchard(x: Array, y: Array, rng: Generator) -> Array:
    """Trees or vines in rows."""
    x, y = turned(x, y, rng.uniform(0, 6.28))
    block, _, v = _cells(x, y, rng, rng.uniform(0.3, 0.7), rng.uniform(0.4, 0.9))
    rows = rng.uniform(4.5, 7.5)
    step = rng.uniform(0.7, 1.6)
    tall = np.where(block & 1 == 1, x, y)
    wide = np.where(block & 1 == 1, y, x)
    p, q = (wide * rows * step) % 1 - 0.5, (tall * rows) % 1 - 0.5
    crown = soft(0.1 - p * p * rng.choice([0.0, 0.35, 0.7]) - q * q, 0.12)
    land = mix(_soil(rng), _green(rng, 0.5), rng.uniform(0, 0.7))
    land = land * (1 + 0.08 * noise("fractal", x, y, rng, 0.4))
    land = mix(land, _green(rng, 0.3) * (1 + 0.8 * q), crown)
    return mix(land, _soil(rng, 0.65), 0.8 * bump(np.minimum(v, 1 - v), 0.05))


def _river(x: Array, y: Array, rng: Generator) -> Array:
    land = _countryside(x, y, rng)
    along, off = turned(x, y, rng.uniform(0, 6.28))
    bends = rng.uniform(1.5, 4)
    middle = rng.uniform(-0.3, 0.3) + rng.uniform(0.1, 0.35) * np.sin(along * bends + rng.uniform(0, 6.28))
    middle = middle + 0.05 * noise("fractal", x, y, rng, 2)
    bank = np.abs(off - middle) - rng.uniform(0.15, 0.32)
    land = mix(land, _soil(rng, 0.65), rng.uniform(0, 0.8) * soft(0.05 - bank, 0.06))
    return mix(land, _water(rng) * (1 + 0.03 * noise("fractal", x, y, rng)), soft(-bank, 0.04))


def _lake(x: Array, y: Array, rng: Generator) -> Array:
    along, off = turned(x, y, rng.uniform(0, 6.28))
    depth = off * rng.uniform(0.4, 1.2) + rng.uniform(0, 0.9) + 0.16 * noise("fractal", x, y, rng, 2.5)
    water = _water(rng)
    water = water * (1 + 0.04 * np.sin(along * 30 + off * 9) * rng.random())
    water = water * (1 + 0.08 * noise("fractal", x, y, rng, 1.5))
    shore = mix(_countryside(x, y, rng), _soil(rng, 0.7), soft(depth + 0.06, 0.08))
    return mix(shore, mix(water * 1.3, water, soft(depth - 0.25, 0.5)), soft(depth, 0.05))


def _highway(x: Array, y: Array, rng: Generator) -> Array:
    land = _countryside(x, y, rng)
    turn = rng.uniform(0, 6.28)
    grey = rgb(rng.uniform(0.5, 0.7) + rng.normal(0, 0.015, 3))
    roads = [(turn, rng.uniform(0.11, 0.16), rng.normal(0, 0.1))]
    if rng.random() < 0.5:
        roads.append((turn + rng.uniform(0.7, 2.4), rng.uniform(0.03, 0.08), rng.normal(0, 0.3)))
    for angle, wide, bend in roads:
        along, off = turned(x, y, angle)
        off = np.abs(off - rng.uniform(-0.35, 0.35) - bend * along * along)
        land = mix(land, mix(_soil(rng), _green(rng), 0.5), 0.7 * soft(wide * 1.8 - off, 0.05))
        land = mix(land, grey, soft(wide - off, 0.03))
        land = mix(land, _green(rng, 0.4), 0.9 * bump(off, 0.35 * wide))
        cars = (noise("cells", along, 0 * off, rng, 0.22) > 1.3) & (np.abs(off - wide / 2) < 0.02)
        land = mix(land, hsv(0, 0, rng.choice([0.1, 0.95])), 0.9 * cars)
    return land


def _built(x: Array, y: Array, rng: Generator, industrial: bool) -> Array:
    """Roofs in blocks: many small ones among gardens, or few large ones on asphalt."""
    warm = noise("fractal", x, y, rng, 3)
    x, y = turned(x, y, rng.uniform(0, 6.28))
    y = y + (0 if industrial else 0.04) * warm
    dense = rng.uniform(0.8, 1.5) if industrial else rng.uniform(2.2, 3.6)
    lot, u, v = _cells(x, y, rng, dense * rng.uniform(0.6, 1), dense)
    sizes = rng.uniform(0.25, 0.44, (2, 64)).astype(np.float32)
    inside = np.minimum(sizes[0].take(lot) - np.abs(u - 0.5), sizes[1].take(lot) - np.abs(v - 0.5))
    empty = rng.random(64) < (0.2 if industrial else 0.12)
    inside = np.where(empty.take(lot), np.float32(-1), inside)
    crowns, wood = _trees(x, y, rng, 0.2)
    if industrial:
        land = rgb(rng.uniform(0.4, 0.6) + rng.normal(0, 0.02, 3)) * (1 + 0.05 * warm)
        lawn = soft(noise("fractal", x, y, rng, 2) - 0.7, 0.4)
        land = mix(land, _green(rng), rng.uniform(0.2, 0.9) * lawn)
        hues, dullest, brightest = [0.58, 0.05, 0.1], 0.45, 0.98
    else:
        land = mix(_green(rng, 0.45), _soil(rng), rng.uniform(0, 0.5)) * (1 + 0.08 * warm)
        land = mix(land, wood, soft(crowns - rng.uniform(0.3, 0.7), 0.1))
        hues, dullest, brightest = [rng.uniform(0.01, 0.09)], 0.4, 0.85
    land = land * (1 - 0.5 * shifted(soft(inside, 0.08), 1 / 80, 1 / 40))
    street = bump(np.minimum(v, 1 - v), 0.16)
    land = mix(land, hsv(0, 0, rng.uniform(0.5, 0.7)), 0.9 * street)
    roofs = [
        hsv(rng.choice(hues) + rng.normal(0, 0.02), rng.uniform(0.05, 0.4), rng.uniform(dullest, brightest))
        for _ in range(64)
    ]
    tiles = np.concatenate(roofs, axis=1)[:, :, 0].take(lot, axis=1)
    lit = 1 + (0.06 * np.sin(u * 40) if industrial else 0.22 * np.sign(v - 0.5))
    return mix(land, tiles * lit, soft(inside, 0.05))


def _residential(x: Array, y: Array, rng: Generator) -> Array:
    return _built(x, y, rng, industrial=False)


def _industrial(x: Array, y: Array, rng: Generator) -> Array:
    return _built(x, y, rng, industrial=True)


def _quarry(x: Array, y: Array, rng: Generator) -> Array:
    """Terraces cut into pale rock."""
    height = np.hypot(x - rng.uniform(-0.6, 0.6), (y - rng.uniform(-0.6, 0.6)) * rng.uniform(0.6, 1.4))
    height = height + 0.22 * noise("fractal", x, y, rng, 2.5)
    terrace = (height * rng.uniform(3, 4.5)) % 1
    rock = _soil(rng, 0.72) * (0.75 + 0.35 * terrace + 0.05 * noise("fractal", x, y, rng, 0.3))
    rock = mix(rock, _water(rng), soft(rng.uniform(-0.1, 0.3) - height, 0.05))
    return mix(rock, _countryside(x, y, rng), soft(height - rng.uniform(1.0, 1.5), 0.06))


def _wetland(x: Array, y: Array, rng: Generator) -> Array:
    """Pools and channels among reeds."""
    pools = noise("cells", x, y, rng, rng.uniform(0.5, 0.9)) + 0.7 * noise("fractal", x, y, rng, 0.8)
    reeds = _herbs(x, y, rng)
    shallow = mix(reeds, _water(rng), 0.6)
    pools = pools - rng.uniform(0.2, 0.7)
    return mix(mix(reeds, shallow, soft(pools + 0.4, 0.7)), _water(rng) * 0.8, soft(pools, 0.5))


LAND_USES: dict[str, Callable[[Array, Array, Generator], Array]] = {
    "annual_crops": _parcels,
    "forest": _forest,
    "herbaceous_vegetation": _herbs,
    "highway": _highway,
    "industrial": _industrial,
    "pasture": _pasture,
    "permanent_crops": _orchard,
    "residential": _residential,
    "river": _river,
    "sea_or_lake": _lake,
    "quarry": _quarry,
    "wetland": _wetland,
}
CLASSES = tuple(LAND_USES)


def name(index: int, seed: int) -> str:
    return CLASSES[index]


def draw(rng: Generator, index: int, size: int, seed: int) -> Array:
    """One picture of class `index`: uint8 [size, size, 3]."""
    x, y = grid(size)
    zoom = np.float32(rng.uniform(0.85, 1.25))
    picture = LAND_USES[CLASSES[index]](x * zoom, y * zoom, rng)
    haze = rng.uniform(0, 0.15)
    picture = mix(picture, rgb((0.75, 0.8, 0.88)), haze)
    tint = rgb(rng.uniform(0.96, 1.04, 3)) * np.float32(rng.uniform(0.82, 1.2))
    return develop(picture * tint, rng, 0.02)
