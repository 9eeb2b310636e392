"""Chest X-rays: stands in for ChestX.

Grey, without perspective, far from natural pictures: brightness is how much the body absorbs along
a ray. Every picture has the same anatomy (rib cage, lungs, heart, spine, diaphragm), drawn for one
patient with one build, posture, exposure and much noise; the classes differ only by a finding that
is often faint.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from farfield.datasets.procedural.canvas import Array, bump, develop, grid, noise, soft, turned


@dataclass(frozen=True)
class Patient:
    """Build and posture, in units of half the picture."""

    lung_width: float
    lung_height: float
    gap: float  # from the midline to the middle of a lung
    base: float  # height of the diaphragm
    heart: float
    spacing: float  # of the ribs
    ribs: float  # how much they absorb


@dataclass(frozen=True)
class View:
    """One patient on film: coordinates, distance into each lung, air along each ray (all [H, W])."""

    x: Array
    y: Array
    lungs: tuple[Array, Array]
    air: Array
    body: Patient

    def one_lung(self, rng: np.random.Generator) -> tuple[int, Array]:
        """A side at random (-1 left of the picture, 1 right) and the distance into its lung."""
        side = int(rng.integers(2))
        return 2 * side - 1, self.lungs[side]


def _patient(rng: np.random.Generator) -> Patient:
    return Patient(
        lung_width=rng.uniform(0.31, 0.39),
        lung_height=rng.uniform(0.62, 0.78),
        gap=rng.uniform(0.42, 0.48),
        base=rng.uniform(0.42, 0.6),
        heart=rng.uniform(0.3, 0.4),
        spacing=rng.uniform(0.17, 0.23),
        ribs=rng.uniform(0.05, 0.13),
    )


def _lung(x: Array, y: Array, side: int, body: Patient) -> Array:
    """Distance (roughly) into the lung on `side` (-1 left of the picture, 1 right), negative outside."""
    across = (side * x - body.gap) / body.lung_width
    down = (y + 0.12) / body.lung_height
    # Narrow at the top, wide at the base.
    across = across * (1.12 - 0.25 * down) + 0.12 * down
    shape = 1 - (across * across + np.abs(down) ** 3) ** np.float32(0.5)
    dome = body.base - 0.28 * (1 - across * across) * 0.5 - y
    return np.minimum(shape * body.lung_width, dome)


def _ribs(x: Array, y: Array, body: Patient) -> Array:
    """Rib shadows: arcs that fall away from the spine behind, and rise in front."""
    side = np.abs(x)
    behind = (y - 0.35 * side + 0.85 * side * side) / body.spacing
    front = (y + 0.75 * side - 0.2 * side * side + 0.1) / (1.15 * body.spacing)
    rib = bump(behind % 1 - 0.5, 0.5) + 0.5 * bump(front % 1 - 0.5, 0.45) * soft(side - 0.25, 0.2)
    return rib * soft(0.88 - side, 0.15) * soft(0.75 - y, 0.4)


def _spot(view: View, width: float, rng: np.random.Generator) -> Array:
    """A round shadow somewhere in a lung."""
    across = rng.choice([-1, 1]) * (view.body.gap + rng.uniform(-0.5, 0.5) * view.body.lung_width)
    down = (view.y - rng.uniform(-0.5, 0.2)) * rng.uniform(0.8, 1.25)
    return soft(width - np.hypot(view.x - across, down), 0.6 * width + 0.03)


def _atelectasis(view: View, rng: np.random.Generator) -> Array:
    """Collapsed plates: bright bands across a lung."""
    side, lung = view.one_lung(rng)
    bands = np.zeros_like(view.x)
    for _ in range(int(rng.integers(1, 3))):
        across, down = view.x - side * view.body.gap, view.y - rng.uniform(-0.1, 0.3)
        along, off = turned(across, down, rng.normal(0, 0.35))
        bands = np.maximum(bands, bump(off + 0.3 * along * along, rng.uniform(0.08, 0.15)))
    return 0.27 * bands * soft(lung, 0.1)


def _effusion(view: View, rng: np.random.Generator) -> Array:
    """Fluid at the base of a lung; its level rises towards the chest wall."""
    side, _ = view.one_lung(rng)
    outward = np.maximum(side * view.x - view.body.gap, 0)
    level = view.body.base - rng.uniform(0.22, 0.5) - 0.9 * outward * rng.uniform(0.3, 1)
    return 0.33 * view.air * soft(view.y - level, 0.12) * (side * view.x > 0)


def _infiltration(view: View, rng: np.random.Generator) -> Array:
    """A cloudy haze."""
    side, _ = view.one_lung(rng)
    near = soft(0.9 - np.hypot(view.x - side * view.body.gap, view.y), 0.7)
    return 0.24 * view.air * near * soft(noise("fractal", view.x, view.y, rng, 1.4) + 0.2, 1.6)


def _mass(view: View, rng: np.random.Generator) -> Array:
    return 0.3 * _spot(view, rng.uniform(0.15, 0.24), rng)


def _nodule(view: View, rng: np.random.Generator) -> Array:
    spots = [_spot(view, rng.uniform(0.05, 0.085), rng) for _ in range(int(rng.integers(1, 4)))]
    return 0.3 * np.maximum.reduce(spots)


def _pneumothorax(view: View, rng: np.random.Generator) -> Array:
    """Air between a lung and the upper chest wall: a dark rim behind a thin bright line."""
    side, lung = view.one_lung(rng)
    width = rng.uniform(0.07, 0.16)
    upper = soft(rng.uniform(-0.3, 0.2) - view.y, 0.5) * soft(side * view.x - view.body.gap + 0.15, 0.3)
    rim = soft(width - lung, 0.05) * soft(lung, 0.05)
    return upper * (0.14 * bump(lung - width, 0.045) - 0.16 * rim)


# What each finding adds to the absorption; an enlarged heart is drawn with the anatomy.
FINDINGS: dict[str, Callable[[View, np.random.Generator], Array] | None] = {
    "atelectasis": _atelectasis,
    "cardiomegaly": None,
    "effusion": _effusion,
    "infiltration": _infiltration,
    "mass": _mass,
    "nodule": _nodule,
    "pneumothorax": _pneumothorax,
}
CLASSES = tuple(FINDINGS)


def name(index: int, seed: int) -> str:
    return CLASSES[index]


def draw(rng: np.random.Generator, index: int, size: int, seed: int) -> Array:
    """One picture of class `index`: uint8 [size, size]."""
    finding = CLASSES[index]
    body = _patient(rng)
    x, y = grid(size)
    x, y = x - rng.normal(0, 0.04), y - rng.normal(0, 0.05)
    x, y = turned(x, y, rng.normal(0, 0.05), rng.uniform(0.9, 1.1))
    wave = 0.02 * noise("fractal", x, y, rng, 3)
    lungs = _lung(x, y, -1, body) + wave, _lung(x, y, 1, body) + wave

    heart = body.heart * (rng.uniform(1.2, 1.5) if finding == "cardiomegaly" else 1)
    low = y - body.base + 0.21
    lean = x - 0.05 - 0.35 * heart + 0.35 * low  # the apex points down, to the right of the picture
    muscle = soft(1 - np.hypot(lean / heart, low / (0.95 * heart)), 0.3)
    air = soft(np.maximum(*lungs), 0.07) * (1 - 0.75 * muscle)
    root = bump(np.abs(x) - 0.17, 0.22) * bump(y + 0.08, 0.5)
    knob = bump(np.hypot(x - 0.12, y + 0.28), 0.22)  # of the aorta
    vessels = np.maximum(noise("fractal", x, y, rng, 0.45), 0)

    torso = soft(1.0 - np.abs(x) * (1 + 0.15 * y) + 0.04 * noise("fractal", x, y, rng, 3), 0.25)
    shoulder = soft(-0.55 - y + 0.45 * np.abs(x), 0.3)
    spine = bump(x - 0.02 * np.sin(3 * y), 0.2) * (0.8 + 0.2 * np.sin(y * 38))
    collar = bump(y + 0.62 + 0.22 * np.abs(x) - 0.12 * rng.random(), 0.09) * soft(0.75 - np.abs(x), 0.2)
    picture = torso * (0.62 + body.ribs * _ribs(x, y, body)) - 0.1 * shoulder + 0.06 * muscle
    picture = picture + air * (0.05 * vessels + 0.12 * root + 0.1 * knob - 0.36) + 0.1 * spine + 0.09 * collar
    find = FINDINGS[finding]
    if find:
        picture = picture + rng.uniform(0.6, 1.15) * find(View(x, y, lungs, air, body), rng)

    if rng.random() < 0.25:  # the side marker of the film
        corner = np.maximum(np.abs(x - rng.choice([-0.82, 0.82])), np.abs(y + 0.82))
        picture = picture + 0.4 * soft(0.06 - corner, 0.03)
    if rng.random() < 0.25:  # a line or a tube
        along, off = turned(x, y, rng.normal(1.5, 0.3))
        picture = picture + 0.16 * bump(off - rng.normal(0, 0.15) - rng.normal(0, 0.3) * along * along, 0.035)
    exposed = np.clip(picture * rng.uniform(0.85, 1.15) + rng.normal(0.02, 0.03), 0, 1)
    return develop(exposed ** np.float32(rng.uniform(0.8, 1.25)), rng, rng.uniform(0.02, 0.045))
