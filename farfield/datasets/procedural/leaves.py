"""Leaves of crops, healthy and diseased, on a table: stands in for CropDisease.

Natural content in perspective and in colour. A class is a species (outline, margin, venation) with
a disease (the shape of its lesions). Season, light, background and severity vary within a class,
and species recur with several diseases, diseases with several species.
"""

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Species:
    """A leaf's outline: half width, where it is widest (-1 base, 1 tip), margin and veins."""

    width: float
    widest: float = 0.0
    pointed: float = 0.7
    teeth: int = 0
    depth: float = 0.0
    lobes: int = 0
    veins: float = 7.0
    slant: float = 0.8
    hue: float = 0.27
    value: float = 0.5


SPECIES = {
    "apple": Species(0.55, -0.1, 0.6, teeth=22, depth=0.05, hue=0.25, value=0.58),
    "corn": Species(0.24, -0.2, 0.4, veins=9, slant=0.0, hue=0.22, value=0.6),
    "grape": Species(0.8, lobes=5, teeth=21, depth=0.16, veins=4, hue=0.29, value=0.5),
    "peach": Species(0.32, 0.0, 0.8, teeth=30, depth=0.04, veins=10, slant=0.5, hue=0.29, value=0.42),
    "pepper": Species(0.46, -0.3, 0.9, veins=5, slant=1.1, hue=0.33, value=0.46),
    "potato": Species(0.6, -0.25, 0.55, veins=6, hue=0.24, value=0.52),
    "squash": Species(0.8, lobes=3, teeth=12, depth=0.08, veins=4, hue=0.23, value=0.5),
    "strawberry": Species(0.72, 0.15, 0.45, teeth=13, depth=0.14, veins=8, hue=0.3, value=0.45),
    "tomato": Species(0.66, -0.2, 0.7, teeth=3, depth=0.62, veins=5, hue=0.31, value=0.55),
}
CLASSES = (
    "apple_scab", "corn_rust", "grape_black_rot", "tomato_mosaic", "potato_late_blight",
    "strawberry_scorch", "squash_mildew", "peach_bacterial_spot", "pepper_healthy", "apple_rust",
    "corn_leaf_blight", "tomato_septoria_spot", "grape_healthy", "potato_early_blight",
    "tomato_healthy", "apple_healthy", "grape_leaf_blight", "pepper_bacterial_spot",
    "corn_healthy", "tomato_late_blight",
)  # fmt: skip

# Paper, cloth, stone, a board and soil: hue, saturation, value.
TABLES = ((0.6, 0.04, 0.7), (0.72, 0.1, 0.62), (0.6, 0.06, 0.52), (0.08, 0.2, 0.58), (0.08, 0.35, 0.42))


def name(index: int, seed: int) -> str:
    return CLASSES[index]


def _margin(species: Species, a: Array, b: Array, rng: np.random.Generator) -> Array:
    """Distance (roughly) into the leaf, negative outside, at a (base -1 to tip 1) and b across."""
    if species.lobes:
        angle = np.arctan2(b, a + 0.15)
        radius = np.hypot(b, a + 0.15)
        reach = 0.82 + 0.16 * np.cos(angle * species.lobes) + 0.12 * np.cos(angle)
        notch = 0.5 * bump(np.abs(angle) - np.pi, 0.5)
        tooth = np.abs((angle * np.float32(species.teeth / (2 * np.pi))) % 1 - 0.5)
        return (reach - notch - species.depth * tooth - radius) * 0.9
    s = np.clip(a, -0.999, 0.999)
    belly = ((1 - s) ** (1 + species.widest) * (1 + s) ** (1 - species.widest)) ** np.float32(species.pointed)
    width = species.width * belly
    if species.depth > 0.3:  # lobes on both sides of the midrib
        wave = np.sin((s * species.teeth - np.abs(b) * 3) * np.float32(np.pi) + rng.random())
        width = width * (1 - species.depth * (0.5 - 0.5 * wave))
    elif species.teeth:
        # Teeth lean towards the tip: a saw in a, shifted by the distance from the midrib.
        saw = (s * np.float32(species.teeth / 2) - np.abs(b) * 2 + rng.random()) % 1
        width = width * (1 - species.depth * saw)
    return np.where(np.abs(a) < 1, width - np.abs(b), np.float32(-1))


def _veins(species: Species, a: Array, b: Array) -> Array:
    """Opacity of midrib and side veins."""
    side = np.abs(b)
    if species.lobes:  # veins fan out from the base of the blade
        angle = np.arctan2(b, a + 0.55)
        fan = np.abs((angle * np.float32(species.veins / np.pi)) % 1 - 0.5)
        return bump(fan * (0.2 + np.hypot(b, a + 0.55)), 0.07)
    if species.slant == 0:  # parallel
        return np.maximum(bump(side, 0.05), 0.4 * bump((side * species.veins * 2) % 1 - 0.5, 0.5))
    phase = ((a - species.slant * side) * species.veins) % 1 - 0.5
    return np.maximum(bump(side, 0.06), 0.75 * bump(phase, 0.26) * soft(0.75 - side, 0.6))


def _disease(which: str, blade: Array, a: Array, b: Array, edge: Array, rng: np.random.Generator) -> Array:
    """The blade with the disease's lesions painted over it; `edge` is the distance from the margin."""
    if which == "healthy":
        return blade
    severity = rng.uniform(-0.2, 0.4)
    brown = hsv(rng.normal(0.08, 0.012), rng.uniform(0.45, 0.7), rng.uniform(0.25, 0.45))
    yellow = hsv(rng.normal(0.15, 0.01), rng.uniform(0.55, 0.8), rng.uniform(0.65, 0.85))
    if which in ("late_blight", "scorch"):
        field = 1.1 * noise("fractal", a, b, rng, 1.5) - 6 * edge + severity
        if which == "late_blight":  # wet brown patches from the margin and the tip
            field = field + 0.8 * a + 0.9
            return mix(mix(blade, yellow, 0.7 * soft(field + 0.6, 0.8)), brown, soft(field, 0.35))
        purple = hsv(rng.normal(0.95, 0.02), 0.5, rng.uniform(0.3, 0.45))
        spotted = noise("cells", a, b, rng, 0.35) - 4 * edge + 0.7 + severity
        return mix(blade, purple, 0.9 * soft(spotted, 0.7))
    if which == "mosaic":
        field = noise("cells", a, b, rng, 0.6)
        return mix(mix(blade, yellow, 0.75 * soft(field - 0.1, 0.7)), blade * 0.6, soft(-field - 0.5, 0.6))
    if which == "mildew":
        field = 0.7 * noise("cells", a, b, rng, 0.6) + 0.8 * noise("fractal", a, b, rng, 0.5) + severity
        return mix(blade, rgb((0.88, 0.9, 0.86)), 0.8 * soft(field - 0.3, 1.2))
    if which == "leaf_blight":  # long dead stripes between the veins
        field = noise("cells", a * 0.35, b * 1.3, rng, 0.6) + severity
        tan = hsv(rng.normal(0.1, 0.01), rng.uniform(0.3, 0.5), rng.uniform(0.55, 0.75))
        return mix(mix(blade, brown, 0.8 * soft(field - 0.55, 0.4)), tan, soft(field - 1.0, 0.3))
    if which == "rust":
        field = noise("domes", a, b, rng, rng.uniform(0.12, 0.17)) + 0.2 * severity
        orange = hsv(rng.normal(0.06, 0.01), 0.85, rng.uniform(0.65, 0.85))
        return mix(mix(blade, yellow, 0.7 * soft(field - 0.35, 0.4)), orange, soft(field - 0.5, 0.2))
    if which == "scab":  # olive velvet without a rim
        field = noise("cells", a, b, rng, 0.55) + 0.5 * noise("fractal", a, b, rng, 0.2) + severity
        return mix(blade, hsv(rng.normal(0.14, 0.02), 0.5, 0.24), 0.85 * soft(field - 0.75, 0.7))
    # Round spots: scale, threshold, whether pale in the middle, whether with rings, strength of the halo.
    scale, threshold, pale, rings, halo = {
        "black_rot": (0.38, 0.62, False, False, 0.0),
        "early_blight": (0.5, 0.45, False, True, 0.8),
        "septoria_spot": (0.24, 0.55, True, False, 0.4),
        "bacterial_spot": (0.15, 0.6, False, False, 0.7),
    }[which]
    wobble = 0.04 * noise("fractal", a, b, rng, 0.4)
    field = noise("domes", a, b, rng, scale * rng.uniform(0.85, 1.15)) + 0.3 * severity - threshold + wobble
    blade = mix(blade, yellow, halo * soft(field + 0.15, 0.3))
    blade = mix(blade, brown * (0.75 + 0.25 * np.sin(field * 45) if rings else 0.8), soft(field, 0.08))
    return mix(blade, rgb((0.7, 0.66, 0.56)), 0.85 * soft(field - 0.18, 0.1)) if pale else blade


def _table(x: Array, y: Array, rng: np.random.Generator) -> Array:
    """What the leaf lies on."""
    h, s, v = TABLES[rng.integers(len(TABLES))]
    base = hsv(h + rng.normal(0, 0.02), s + rng.normal(0, 0.03), v + rng.normal(0, 0.08))
    scale, stretch = rng.uniform(0.15, 1.5), rng.uniform(0.3, 1)
    return base * (1 + rng.uniform(0.03, 0.14) * noise("fractal", x, y * stretch, rng, scale))


def draw(rng: np.random.Generator, index: int, size: int, seed: int) -> Array:
    """One picture of class `index`: uint8 [size, size, 3]."""
    kind, disease = CLASSES[index].split("_", 1)
    species = SPECIES[kind]
    x, y = grid(size)
    # The leaf's plane is tilted away from the camera: lengths shrink with the distance.
    tilt = rng.uniform(-0.22, 0.22, 2)
    near = 1 / (1 + tilt[0] * x + tilt[1] * y)
    x_flat, y_flat = (x - rng.normal(0, 0.07)) * near, (y - rng.normal(0, 0.07)) * near
    a, b = turned(x_flat, y_flat, rng.uniform(0, 6.28), rng.uniform(0.95, 1.2))
    b = b * rng.uniform(0.88, 1.25) + rng.normal(0, 0.12) * (a * a - 0.3)
    waves = noise("fractal", a, b, rng, 3.0)
    edge = _margin(species, a, b, rng) + 0.012 * waves
    cover = soft(edge, 0.02)
    stalk = soft(0.03 - np.abs(b), 0.02) * ((a < -0.5) & (a > -1.25))

    hue, value = species.hue + rng.normal(0, 0.014), species.value + rng.normal(0, 0.05)
    green = hsv(hue, rng.uniform(0.5, 0.7), value)
    blade = green * (1 + 0.07 * noise("fractal", a, b, rng, 0.5) + 0.05 * waves)
    veins = _veins(species, a, b)
    blade = mix(blade, green * 0.7 + 0.25, rng.uniform(0.35, 0.8) * veins)
    blade = _disease(disease, blade, a, b, edge, rng)
    # The halves fold along the midrib, so that one faces the light.
    fold = rng.normal(0, 0.1)
    blade = blade * (1 + fold * np.clip(b * 6, -1, 1) + 0.06 * waves)
    blade = blade + rng.uniform(0, 0.1) * soft(waves - 1, 1)  # gloss

    table = _table(x, y, rng)
    shadow = shifted(cover, *rng.uniform(-0.06, 0.06, 2).tolist())
    table = table * (1 - rng.uniform(0.2, 0.5) * shadow)
    picture = mix(mix(table, green * 0.8, stalk), blade, cover)
    light = rng.uniform(-0.1, 0.1, 2)
    tint = rgb(rng.uniform(0.95, 1.05, 3)) * np.float32(rng.uniform(0.88, 1.12))
    return develop(picture * tint * (1 + light[0] * x + light[1] * y), rng, 0.015)
