"""Things in natural scenes: the source domain, which stands in for miniImageNet.

A class is one body and one surface pattern (every pair is a class, 100 in all), with its own
palette, proportions, gloss and attached parts; all of that comes from the seed. Bodies, patterns
and palettes recur across classes, so neither colour nor outline nor texture alone gives a class
away. Each picture has its own viewpoint, distance, light, ground, sky, clutter and occlusion.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from farfield.datasets.procedural.canvas import Array, bump, develop, grid, hsv, mix, noise, rgb, soft, turned
from farfield.datasets.procedural.solids import FAR, PLATES, Part, meet, rotation, surface
from farfield.seeds import stream

BODIES: dict[str, tuple[str, tuple[float, float, float]]] = {
    "globe": ("ball", (0.85, 0.85, 0.8)),
    "drum": ("drum", (0.75, 0.75, 0.7)),
    "cone": ("cone", (0.95, 0.95, 0.95)),
    "hourglass": ("hourglass", (0.75, 0.75, 0.95)),
    "dome": ("dome", (0.95, 0.95, 0.6)),
    "coin": ("drum", (0.95, 0.95, 0.22)),
    "block": ("block", (0.65, 0.65, 0.65)),
    "pillar": ("barrel", (0.4, 0.4, 1.1)),
    "star": ("star", (1.15, 1.15, 0.1)),
    "flower": ("flower", (1.1, 1.1, 0.1)),
}
PATTERNS = (
    "mottled", "banded", "ribbed", "checked", "dotted", "marbled", "patched", "grained", "scaled", "netted",
)  # fmt: skip
FLAT = 0.3  # bodies thinner than this stand upright, so that the camera sees their face
# Grounds and skies: hue, saturation, value of two colours between which noise chooses.
GROUNDS = (
    ((0.27, 0.65, 0.30), (0.20, 0.60, 0.55)),  # grass
    ((0.10, 0.40, 0.75), (0.11, 0.30, 0.92)),  # sand
    ((0.07, 0.55, 0.25), (0.08, 0.50, 0.45)),  # soil
    ((0.60, 0.08, 0.40), (0.08, 0.06, 0.65)),  # stone
    ((0.58, 0.10, 0.85), (0.60, 0.03, 0.98)),  # snow
    ((0.07, 0.65, 0.40), (0.09, 0.55, 0.60)),  # boards
    ((0.55, 0.60, 0.35), (0.52, 0.45, 0.60)),  # water
    ((0.05, 0.70, 0.40), (0.12, 0.75, 0.60)),  # fallen leaves
)
SKIES = (
    ((0.58, 0.55, 0.85), (0.58, 0.08, 0.97)),  # clouds
    ((0.30, 0.65, 0.20), (0.22, 0.60, 0.60)),  # foliage
    ((0.10, 0.15, 0.70), (0.09, 0.20, 0.85)),  # wall
    ((0.62, 0.35, 0.25), (0.60, 0.20, 0.45)),  # dusk
    ((0.06, 0.45, 0.85), (0.10, 0.25, 0.97)),  # evening
)


@dataclass(frozen=True)
class Kind:
    """What all pictures of a class share."""

    name: str
    parts: tuple[Part, ...]
    pattern: str
    frequency: float
    palette: tuple[tuple[float, float, float], ...]
    gloss: float


@lru_cache(maxsize=4)
def _pairs(seed: int) -> tuple[tuple[str, str], ...]:
    """The 100 pairs of a body and a pattern, in an order that spreads both over the classes."""
    rng = stream(seed, "objects", "pairs")
    bodies, patterns = rng.permutation(list(BODIES)), rng.permutation(PATTERNS)
    return tuple((str(bodies[i % 10]), str(patterns[(i + i // 10) % 10])) for i in range(100))


def _attached(rng: np.random.Generator, wide: float, tall: float, flat: bool) -> list[Part]:
    """The parts that a class wears on its body, which reaches `wide` to the sides and `tall` upwards."""
    shape = str(rng.choice(["ball", "drum", "cone", "block", "dome"]))
    size = float(rng.uniform(0.22, 0.36))
    height = float(rng.uniform(0.6, 1.5)) * size
    match int(rng.integers(5)):
        case 0:  # bare
            return []
        case 1:  # a head
            return [Part(shape, (size, size, height), (0, 0, tall + 0.8 * height), paint=2)]
        case 2:  # a handle on either side
            x = wide + 0.6 * size
            return [Part(shape, (size, size, height), (side * x, 0, 0.2 * tall), paint=2) for side in (-1, 1)]
        case 3:  # a wide brim, or a base if the body is flat
            height = -0.95 if flat else float(rng.uniform(-0.9, 0.6))
            radius = 0.55 * wide if flat else wide + 0.35
            return [Part("drum", (radius, radius, 0.08), (0, 0, height * tall), paint=2)]
        case _:  # legs
            feet = int(rng.integers(2, 4))
            angles = [2 * np.pi * foot / feet for foot in range(feet)]
            return [
                Part("drum", (0.12, 0.12, 0.35),
                     (0.6 * wide * np.cos(a), 0.6 * wide * np.sin(a), -tall - 0.25), paint=2)
                for a in angles
            ]  # fmt: skip


@lru_cache(maxsize=256)
def kind(index: int, seed: int) -> Kind:
    """Class `index` of the domain under `seed`."""
    body, pattern = _pairs(seed)[index]
    rng = stream(seed, "objects", "kind", index)
    shape, extent = BODIES[body]
    stretch = rng.uniform(0.85, 1.15, 2)
    extent = (extent[0] * stretch[0], extent[1] * stretch[0], extent[2] * stretch[1])
    flat = extent[2] < FLAT
    upright = rotation(0, np.pi / 2) if flat else np.eye(3, dtype=np.float32)
    parts = [Part(shape, extent, turn=upright, lobes=int(rng.integers(5, 9)))]
    reach = 0.75 * extent[0] if shape in PLATES else extent[0]
    parts += _attached(rng, reach, reach if flat else extent[2], flat)
    hue = rng.integers(8) / 8
    other = hue + rng.choice([0.0, 0.08, 0.33, 0.5])
    light = rng.permutation([0.35, 0.9])
    palette = (
        (hue, rng.uniform(0.35, 0.85), light[0]),
        (other, rng.uniform(0.1, 0.8), light[1]),
        (hue + rng.choice([0.1, 0.5]), rng.uniform(0.2, 0.7), rng.uniform(0.3, 0.9)),
    )
    frequency, gloss = rng.uniform(0.8, 1.25), rng.uniform(0, 0.6)
    return Kind(f"{pattern}_{body}", tuple(parts), pattern, frequency, palette, gloss)


def name(index: int, seed: int) -> str:
    return f"{index:03d}_{kind(index, seed).name}"


def second_colour(which: str, u: Array, v: Array, frequency: float, rng: np.random.Generator) -> Array:
    """How much of the second colour a surface has at texture coordinates u, v: values 0 to 1."""
    f = np.float32(frequency)
    wave = np.float32(2 * np.pi * frequency)
    match which:
        case "mottled":
            return soft(noise("fractal", u, v, rng, 0.6 / frequency), 2.5)
        case "banded":
            return soft(np.sin(v * wave * 1.6), 0.5)
        case "ribbed":
            return soft(np.sin(u * wave * 1.6), 0.5)
        case "checked":
            return soft(np.sin(u * wave) * np.sin(v * wave), 0.15)
        case "dotted":
            row = np.floor(v * f * 2)
            x, y = (u * f * 2 + 0.5 * row) % 1 - 0.5, (v * f * 2) % 1 - 0.5
            return soft(0.085 - x * x - y * y, 0.05)
        case "marbled":
            return soft(np.sin(wave * 0.9 * (u + v) + 2.5 * noise("fractal", u, v, rng, 1 / frequency)), 1.2)
        case "patched":
            return soft(noise("cells", u, v, rng, 0.8 / frequency) + 0.2, 0.3)
        case "grained":
            return soft(noise("fractal", u, v * 0.12, rng, 0.3 / frequency), 2.0)
        case "scaled":
            row = np.floor(v * f * 2.2)
            x, y = (u * f * 2.2 + 0.5 * row) % 1 - 0.5, (v * f * 2.2) % 1
            return np.clip(1.15 - 1.3 * np.sqrt(x * x * 2 + y * y), 0, 1)
        case _:
            return 1 - soft(np.abs(noise("cells", u, v, rng, 0.9 / frequency)) - 0.28, 0.3)


def _backdrop(rng: np.random.Generator, origin: Array, rays: Array, floor: float, light: Array) -> Array:
    """Ground and sky [3, n] behind the thing, with its shadow on the ground."""
    low, high = (hsv(h + rng.normal(0, 0.015), s, v)[:, 0] for h, s, v in GROUNDS[rng.integers(len(GROUNDS))])
    near, far = (hsv(h + rng.normal(0, 0.015), s, v)[:, 0] for h, s, v in SKIES[rng.integers(len(SKIES))])
    depth = (origin[1] - floor) / np.maximum(-rays[1], 0.02)
    x, z = rays[0] * depth, origin[2] + rays[2] * depth
    ground = mix(low, high, soft(noise("fractal", x, z * rng.uniform(0.2, 1), rng, 0.8), 3))
    shade = bump(np.hypot(x + light[0] * 0.8, z + light[2] * 0.8), 2.8)
    ground = ground * (1.1 - 0.75 * shade)
    clouds = noise("fractal", rays[0] * 2, rays[1] * 3, rng, rng.uniform(0.3, 1.2))
    sky = mix(near, far, soft(clouds, 3))
    horizon = soft(-rays[1] - rng.uniform(0.02, 0.12), 0.06)
    return mix(sky, ground, horizon)


def _look(rng: np.random.Generator, size: int) -> tuple[Array, Array]:
    """A camera [3, 1] somewhere above the ground and its rays [3, n]; the scene's y axis points up."""
    x, y = grid(size)
    pitch, distance, wide = rng.uniform(0.05, 0.75), rng.uniform(2.4, 5.2), rng.uniform(0.34, 0.4)
    right, up = rng.uniform(-0.3, 0.3, 2)
    screen = np.stack([(x.ravel() - right) * wide, (up - y.ravel()) * wide, np.ones(x.size)])
    camera = rotation(0, pitch)
    return camera @ np.asarray([[0], [0], [-distance]], dtype=np.float32), camera @ screen.astype(np.float32)


def _pose(rng: np.random.Generator, flat: bool) -> Array:
    """The rotation from the thing's frame (z up) to the scene's: turned, and tilted a little."""
    stand = rotation(0, -np.pi / 2 + rng.normal(0, 0.16)) @ rotation(1, rng.normal(0, 0.16))
    return stand @ rotation(2, rng.uniform(-0.7, 0.7) if flat else rng.uniform(0, 6.28))


def _clutter(rng: np.random.Generator) -> list[Part]:
    """Small things beside the thing, in some of the pictures."""
    parts = []
    for _ in range(int(rng.integers(1, 3)) if rng.random() < 0.4 else 0):
        angle, size = rng.uniform(0, 6.28), float(rng.uniform(0.2, 0.4))
        at = (1.6 * np.cos(angle), 1.6 * np.sin(angle), size - 1)
        parts.append(Part(str(rng.choice(["ball", "block", "cone"])), (size,) * 3, at, paint=3))
    return parts


def _blade(picture: Array, rng: np.random.Generator, size: int) -> Array:
    """Something out of focus before the lens, which hides an edge of the picture."""
    along, off = turned(*grid(size), rng.uniform(0, 6.28))
    cover = soft(off - rng.uniform(0.55, 0.9) - 0.1 * np.sin(along * rng.uniform(1, 4)), 0.2)
    hue, saturation, value = GROUNDS[rng.integers(len(GROUNDS))][0]
    return mix(picture, hsv(hue, saturation, 0.9 * value), 0.95 * cover)


def draw(rng: np.random.Generator, index: int, size: int, seed: int) -> Array:
    """One picture of class `index`: uint8 [size, size, 3]."""
    thing = kind(index, seed)
    origin, rays = _look(rng, size)
    pose = _pose(rng, thing.parts[0].extent[2] < FLAT)
    lamp = np.asarray([rng.uniform(-0.9, 0.9), rng.uniform(0.5, 1), rng.uniform(-1, 0.3)], dtype=np.float32)
    lamp /= np.linalg.norm(lamp)
    picture = _backdrop(rng, origin, rays, -1.05, lamp)

    # From here on everything is in the thing's frame.
    eye, sight, lamp = pose.T @ origin, pose.T @ rays, pose.T @ lamp
    parts = [*thing.parts, *_clutter(rng)]
    depths = np.stack([meet(part, eye, sight) for part in parts])
    first = np.where(depths.min(axis=0) < FAR, depths.argmin(axis=0), -1)

    paints = [
        hsv(h + rng.normal(0, 0.03), s + rng.normal(0, 0.1), v + rng.normal(0, 0.08))[:, 0]
        for h, s, v in thing.palette
    ]
    paints.append(hsv(rng.random(), rng.uniform(0.1, 0.7), rng.uniform(0.3, 0.9))[:, 0])
    frequency = thing.frequency * rng.uniform(0.85, 1.18)
    ambient, strength = rng.uniform(0.3, 0.5), rng.uniform(0.6, 0.85)
    for number, part in enumerate(parts):
        seen = np.flatnonzero(first == number)
        facing = sight[:, seen]
        normal, u, v = surface(part, eye + facing * depths[number, seen])
        normal = normal * -np.sign((normal * facing).sum(axis=0))
        colour = paints[part.paint]
        if part.paint == 0:
            colour = mix(colour, paints[1], second_colour(thing.pattern, u, v, frequency, rng))
        lit = np.clip(lamp @ normal, 0, 1)
        picture[:, seen] = colour * (ambient + strength * lit) + thing.gloss * lit**12
    picture = picture.reshape(3, 2 * size, 2 * size)
    if rng.random() < 0.3:
        picture = _blade(picture, rng, size)
    tint = rgb(rng.uniform(0.9, 1.1, 3)) * np.float32(rng.uniform(0.75, 1.15))
    return develop(picture * tint, rng, 0.015)
