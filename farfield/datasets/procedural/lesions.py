"""Skin lesions under a dermatoscope: stands in for ISIC.

Colour, but neither perspective nor natural content. The classes are diagnoses; each is a set of
tendencies (asymmetry, border, pigment network, colours, vessels ...) around which single pictures
scatter widely, so that one sign alone rarely decides. Skin tone, hair, lens rim and light say
nothing about the class.
"""

from dataclasses import dataclass, fields

import numpy as np

from farfield.datasets.procedural.canvas import Array, bump, develop, grid, hsv, mix, noise, rgb, soft, turned

SCATTER = 0.15  # standard deviation of a sign around the tendency of its diagnosis


@dataclass(frozen=True)
class Signs:
    """How strong each sign is, 0 to 1."""

    asymmetry: float = 0.2  # the halves differ
    ragged: float = 0.2  # the border is notched
    diffuse: float = 0.4  # the border fades into the skin
    pigment: float = 0.5  # brown against pink
    dark: float = 0.4
    colours: float = 0.2  # patches of black, slate and red
    network: float = 0.2  # a net of pigment
    globules: float = 0.1  # dark dots
    ridges: float = 0.0  # furrows as on a brain, and white cysts
    vessels: float = 0.1  # branching red lines
    lacunae: float = 0.0  # red and violet lakes
    scar: float = 0.0  # a white centre
    scales: float = 0.0  # white flakes


DIAGNOSES = {
    "actinic_keratosis": Signs(0.4, 0.4, 0.9, 0.25, 0.2, vessels=0.4, scales=0.9),
    "basal_cell_carcinoma": Signs(0.4, 0.3, 0.5, 0.15, 0.3, colours=0.3, vessels=0.9, globules=0.4),
    "benign_keratosis": Signs(0.3, 0.3, 0.05, 0.65, 0.45, ridges=0.9, network=0.0),
    "dermatofibroma": Signs(0.1, 0.1, 0.8, 0.5, 0.35, network=0.5, scar=0.9),
    "melanoma": Signs(0.9, 0.8, 0.35, 0.8, 0.7, colours=0.9, network=0.45, globules=0.4),
    "nevus": Signs(0.1, 0.1, 0.35, 0.8, 0.5, network=0.8, globules=0.3),
    "vascular_lesion": Signs(0.2, 0.15, 0.2, 0.05, 0.5, lacunae=0.9, vessels=0.2),
}
CLASSES = tuple(DIAGNOSES)


def name(index: int, seed: int) -> str:
    return CLASSES[index]


def _signs(diagnosis: str, rng: np.random.Generator) -> Signs:
    """The signs of one lesion."""
    usual = DIAGNOSES[diagnosis]
    values = [getattr(usual, sign.name) + rng.normal(0, SCATTER) for sign in fields(Signs)]
    return Signs(*(float(min(max(value, 0), 1)) for value in values))


def _skin(x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Skin [3, H, W] and its plain tone."""
    tone = hsv(rng.normal(0.05, 0.01), rng.uniform(0.2, 0.42), rng.uniform(0.62, 0.92))
    relief = 0.03 * noise("fractal", x, y, rng, 2) + 0.02 * noise("cells", x, y, rng, 0.14)
    flush = 0.09 * rng.random() * soft(noise("fractal", x, y, rng, 3), 2)
    return tone * (1 + relief) - rgb((0, 1, 0.8)) * flush, tone


def _paint(skin: Array, tone: Array, x: Array, y: Array, signs: Signs, rng: np.random.Generator) -> Array:
    """The lesion on the skin."""
    x, y = x - rng.normal(0, 0.1), y - rng.normal(0, 0.1)
    x, y = turned(x, y, rng.uniform(0, 6.28), rng.uniform(0.55, 0.8))
    lean = signs.asymmetry * rng.uniform(0.2, 0.45)
    y = y * rng.uniform(1, 1.35) + lean * x * x
    angle = np.arctan2(y, x)
    radius = np.hypot(x, y) * (1 + lean * np.cos(angle))
    wobble = sum(
        rng.normal(0, 0.05 + 0.09 * signs.ragged) / k**0.5 * np.cos(k * angle + rng.uniform(0, 6.28))
        for k in range(2, 6)
    )
    depth = 0.92 - radius + wobble + (0.03 + 0.08 * signs.ragged) * noise("fractal", x, y, rng, 1.2)
    cover = soft(depth, 0.08 + 0.7 * signs.diffuse)
    inner = soft(depth - 0.2, 0.6)

    value = 0.62 - 0.38 * signs.dark + rng.normal(0, 0.06)
    brown = hsv(rng.normal(0.06, 0.012), rng.uniform(0.5, 0.75), value)
    pink = tone * rgb((0.95, 0.7, 0.68)) * np.float32(1 - 0.3 * signs.dark)
    body = mix(pink, brown, signs.pigment)
    cloud = noise("fractal", x, y, rng, 1.5)
    body = body * (1 + 0.1 * cloud - 0.15 * inner * signs.pigment)
    if signs.colours > 0.15:
        for colour in (rgb((0.09, 0.06, 0.06)), rgb((0.36, 0.4, 0.48)), rgb((0.55, 0.2, 0.16))):
            patch = soft(noise("cells", x, y, rng, 1.8) - 1.4 + 0.9 * signs.colours, 0.6)
            body = mix(body, colour, 0.75 * patch * rng.uniform(0.4, 1))
    if signs.network > 0.1:
        mesh = 1 - soft(np.abs(noise("cells", x, y, rng, 0.3)) - 0.35, 0.5)
        body = body * (1 - 0.5 * signs.network * mesh * (1 - 0.5 * inner))
    if signs.globules > 0.1:
        dots = soft(noise("domes", x, y, rng, 0.28) - 1 + 0.5 * signs.globules, 0.12)
        body = mix(body, rgb((0.22, 0.15, 0.16)), 0.7 * dots)
    if signs.ridges > 0.1:
        furrow = np.sin(13 * x + 3 * noise("cells", x, y, rng, 0.9))
        body = body * (1 + 0.2 * signs.ridges * furrow)
        cysts = soft(noise("domes", x, y, rng, 0.35) - 0.82, 0.1)
        body = mix(body, rgb((0.9, 0.82, 0.7)), 0.7 * signs.ridges * cysts)
    if signs.lacunae > 0.1:
        lake = noise("cells", x, y, rng, 0.75)
        hue = rng.choice([1.0, 0.97, 0.92]) + rng.normal(0, 0.015)
        blood = hsv(hue, rng.uniform(0.45, 0.65), rng.uniform(0.3, 0.5))
        body = mix(body, blood, signs.lacunae * (0.35 + 0.65 * soft(lake, 0.6)))
    if signs.vessels > 0.1:
        tree = bump(noise("cells", x, y, rng, 1.0) + 0.5 * noise("fractal", x, y, rng, 0.6), 0.28)
        body = mix(body, rgb((0.72, 0.16, 0.18)), 0.65 * signs.vessels * tree)
    if signs.scar > 0.1:
        white = bump(np.hypot(x - rng.normal(0, 0.1), y - rng.normal(0, 0.1)), 1.1)
        body = mix(body, rgb((0.92, 0.8, 0.76)), 0.8 * signs.scar * white * soft(cloud + 1, 2))
    if signs.scales > 0.1:
        flakes = soft(noise("fractal", x, y, rng, 0.22) - 0.7, 1.2)
        body = mix(body, rgb((0.93, 0.9, 0.84)), 0.75 * signs.scales * flakes)
    return mix(skin, body, cover)


def _hair(picture: Array, x: Array, y: Array, rng: np.random.Generator) -> Array:
    """Hairs across the field of view."""
    colour = hsv(0.07, 0.4, rng.uniform(0.1, 0.4))
    turn = rng.uniform(0, 6.28)
    for _ in range(int(rng.integers(2, 9))):
        along, off = turned(x, y, turn + rng.normal(0, 0.35))
        strand = bump(off - rng.uniform(-1, 1) - rng.normal(0, 0.25) * along * along, 0.035)
        picture = mix(picture, colour, 0.85 * strand)
    return picture


def draw(rng: np.random.Generator, index: int, size: int, seed: int) -> Array:
    """One picture of class `index`: uint8 [size, size, 3]."""
    x, y = grid(size)
    skin, tone = _skin(x, y, rng)
    picture = _paint(skin, tone, x, y, _signs(CLASSES[index], rng), rng)
    if rng.random() < 0.45:
        picture = _hair(picture, x, y, rng)
    distance = np.hypot(x - rng.normal(0, 0.05), y - rng.normal(0, 0.05))
    picture = picture * (1 - rng.uniform(0, 0.25) * distance * distance)
    if rng.random() < 0.3:  # the rim of the lens
        picture = picture * soft(rng.uniform(1.0, 1.2) - distance, 0.1)
    tint = rgb(rng.uniform(0.93, 1.07, 3)) * np.float32(rng.uniform(0.85, 1.15))
    return develop(picture * tint, rng, 0.015)
