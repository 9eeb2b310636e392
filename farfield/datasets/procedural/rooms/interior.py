"""What stands in a room and where the camera is: everything about a scene that is drawn at random.

The room is the box |x| <= half width, 0 <= y <= height, |z| <= half length, in metres with y up. The
camera stands near one end and looks towards the other.
"""

from dataclasses import dataclass

import numpy as np

from farfield.datasets.procedural.canvas import Array, hsv
from farfield.datasets.procedural.solids import Part, rotation

CLASSES = ("wall", "floor", "ceiling", "window", "box", "ball", "drum", "cone")
SOLIDS = {"block": "box", "ball": "ball", "drum": "drum", "cone": "cone"}  # shape: class
UPRIGHT = rotation(0, -np.pi / 2)  # from a part's frame, whose z is up, to the room's
WIDE = 0.72  # tangent of half the angle of view, about that of a Kinect
PATTERNS = ("banded", "checked", "ribbed", "grained", "mottled")


@dataclass(frozen=True)
class Window:
    """A rectangle on a wall: the wall's axis (0: x, 2: z) and side (-1, 1), centre and half extents in
    metres along the wall and up, and the width of its frame."""

    axis: int
    side: int
    centre: tuple[float, float]
    half: tuple[float, float]
    frame: float = 0.07

    def corners(self, room: Array) -> Array:
        """The four outer corners [3, 4] in the room."""
        along, up = self.centre
        across = [along + self.half[0] * sign for sign in (-1, 1, 1, -1)]
        upwards = [up + self.half[1] * sign for sign in (-1, -1, 1, 1)]
        wall = [self.side * float(room[self.axis])] * 4
        planes = [wall, upwards, across] if self.axis == 0 else [across, upwards, wall]
        return np.asarray(planes, dtype=np.float32)


@dataclass(frozen=True)
class Surface:
    """How something is painted: two colours [3, 1] and the pattern between them, an empty one for none."""

    colours: tuple[Array, Array]
    pattern: str = ""
    frequency: float = 1.0


@dataclass(frozen=True)
class Interior:
    """One scene. room: half width, height, half length. eye [3, 1] and turn [3, 3] (columns: the camera's
    right, up and forward) of the camera. paints: of wall, floor and ceiling, then of each part."""

    room: Array
    eye: Array
    turn: Array
    parts: tuple[Part, ...]
    windows: tuple[Window, ...]
    paints: tuple[Surface, ...]
    lamp: Array
    light: tuple[float, float]  # of the surroundings, and of the lamp


def furnish(rng: np.random.Generator) -> Interior:
    """A room with two to five solids on its floor, up to two windows, a lamp and a camera."""
    room = np.asarray([rng.uniform(1.5, 2.6), rng.uniform(2.3, 3.0), rng.uniform(1.8, 3.2)], dtype=np.float32)
    eye = np.asarray(
        [rng.uniform(-0.5, 0.5) * room[0], rng.uniform(1.2, 1.75), 0.2 - room[2]], dtype=np.float32
    )
    yaw, pitch = rng.uniform(-0.45, 0.45), rng.uniform(0.08, 0.42)
    turn = rotation(1, yaw) @ rotation(0, pitch)
    parts = _solids(rng, room, eye, yaw)
    windows = _windows(rng, room)
    paints: tuple[Surface, ...] = (
        _wall(rng),
        _floor(rng),
        Surface((hsv(rng.random(), rng.uniform(0, 0.08), 0.95)[:, 0],) * 2),
    )
    paints += tuple(_paint(rng) for _ in parts)
    lamp = np.asarray(
        [rng.uniform(-0.5, 0.5) * room[0], 0.93 * room[1], rng.uniform(-0.6, 0.5) * room[2]], dtype=np.float32
    )
    light = float(rng.uniform(0.45, 0.6)), float(rng.uniform(0.65, 0.9))
    return Interior(room, eye[:, None], turn, parts, windows, paints, lamp[:, None], light)


def _solids(rng: np.random.Generator, room: Array, eye: Array, yaw: float) -> tuple[Part, ...]:
    """Solids that stand apart, on the part of the floor that the camera sees."""
    parts: list[Part] = []
    places: list[tuple[float, float, float]] = []  # x, z, radius
    wanted = int(rng.integers(2, 6))
    for _ in range(40):
        if len(parts) == wanted:
            break
        shape = str(rng.choice(list(SOLIDS)))
        radius = float(rng.uniform(0.2, 0.48))
        tall = radius if shape == "ball" else float(rng.uniform(0.22, 0.65))
        angle, distance = yaw + rng.uniform(-0.5, 0.5), rng.uniform(1.3, 2 * float(room[2]) - 0.5)
        x, z = float(eye[0] + np.sin(angle) * distance), float(eye[2] + np.cos(angle) * distance)
        reach = radius * 1.42 if shape == "block" else radius
        inside = abs(x) + reach < room[0] and abs(z) + reach < room[2]
        if not inside or any(np.hypot(x - a, z - b) < reach + other + 0.05 for a, b, other in places):
            continue
        deep = radius * float(rng.uniform(0.5, 1)) if shape == "block" else radius
        turn = UPRIGHT @ rotation(2, rng.uniform(0, np.pi))
        parts.append(Part(shape, (radius, deep, tall), (x, tall, z), turn))
        places.append((x, z, reach))
    return tuple(parts)


def _windows(rng: np.random.Generator, room: Array) -> tuple[Window, ...]:
    """Up to one window in the far wall and one in a side wall."""
    windows = []
    for axis, side, chance in ((2, 1, 0.5), (0, int(rng.choice([-1, 1])), 0.6)):
        half = rng.uniform(0.35, 0.7), rng.uniform(0.35, 0.55)
        free = float(room[0 if axis == 2 else 2]) - half[0] - 0.2
        centre = rng.uniform(-free, free), rng.uniform(0.5, 0.58) * float(room[1])
        if rng.random() < chance:
            windows.append(Window(axis, side, centre, half))
    return tuple(windows)


def _wall(rng: np.random.Generator) -> Surface:
    hue, saturation, value = rng.random(), rng.uniform(0.03, 0.3), rng.uniform(0.65, 0.92)
    pattern = str(rng.choice(["", "", "ribbed", "mottled"]))
    other = hsv(hue, saturation, 0.93 * value)[:, 0]
    return Surface((hsv(hue, saturation, value)[:, 0], other), pattern, rng.uniform(0.8, 2))


def _floor(rng: np.random.Generator) -> Surface:
    hue, saturation, value = rng.uniform(0.04, 0.13), rng.uniform(0.1, 0.55), rng.uniform(0.3, 0.75)
    pattern = str(rng.choice(["grained", "checked", "banded", "mottled"]))
    other = hsv(hue + rng.normal(0, 0.02), saturation, value * rng.uniform(0.6, 0.85))[:, 0]
    return Surface((hsv(hue, saturation, value)[:, 0], other), pattern, rng.uniform(0.5, 1.2))


def _paint(rng: np.random.Generator) -> Surface:
    hue, saturation, value = rng.random(), rng.uniform(0.35, 0.9), rng.uniform(0.4, 0.95)
    pattern = str(rng.choice(["", "", "", *PATTERNS]))
    other = hsv(hue + rng.choice([0.08, 0.5]), saturation, value * rng.uniform(0.5, 0.8))[:, 0]
    return Surface((hsv(hue, saturation, value)[:, 0], other), pattern, rng.uniform(1, 2.5))
