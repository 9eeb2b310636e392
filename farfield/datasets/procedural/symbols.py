"""Line drawings: signs, sketches and icons, a source whose pictures are outlines and nothing else.

A class is one drawing of few strokes. The hand that draws it (wobble, proportions, width of the
line), the frame around it, ink, ground, size and direction vary within a class.
"""

import itertools

import numpy as np

from farfield.datasets.procedural.canvas import Array, develop, grid, hsv, mix, noise, rgb, soft, turned

Generator = np.random.Generator
Stroke = list[tuple[float, float]]  # the corners of a line; x to the right, y down, within -1 and 1


def _arc(x: float, y: float, wide: float, tall: float, begin: float = 0, end: float = 360) -> Stroke:
    """Part of an ellipse, in degrees clockwise from the right."""
    angles = np.radians(np.linspace(begin, end, max(4, round(abs(end - begin) / 24) + 1)))
    return [(x + wide * float(np.cos(a)), y + tall * float(np.sin(a))) for a in angles]


def _star(points: int, inner: float) -> Stroke:
    angles = np.pi * np.arange(2 * points + 1) / points
    return [
        ((1, inner)[i % 2] * float(np.sin(a)), -(1, inner)[i % 2] * float(np.cos(a)))
        for i, a in enumerate(angles)
    ]


def _spiral() -> Stroke:
    turns = np.linspace(0, 2.5, 34)
    return [(float(0.38 * t * np.cos(2 * np.pi * t)), float(0.38 * t * np.sin(2 * np.pi * t))) for t in turns]


DRAWINGS: dict[str, list[Stroke]] = {
    "house": [[(-0.7, 0.9), (-0.7, -0.1), (0, -0.8), (0.7, -0.1), (0.7, 0.9), (-0.7, 0.9)],
              [(-0.2, 0.9), (-0.2, 0.3), (0.2, 0.3), (0.2, 0.9)]],
    "arrow": [[(-0.9, 0), (0.9, 0)], [(0.35, -0.5), (0.9, 0), (0.35, 0.5)]],
    "heart": [[*_arc(-0.4, -0.3, 0.42, 0.4, 150, 350), (0, -0.1), *_arc(0.4, -0.3, 0.42, 0.4, 190, 390)],
              [(-0.76, -0.1), (0, 0.85), (0.76, -0.1)]],
    "fish": [_arc(-0.15, 0, 0.7, 0.42), [(0.5, 0), (0.95, -0.45), (0.95, 0.45), (0.5, 0)],
             _arc(-0.5, -0.1, 0.06, 0.06)],
    "key": [_arc(-0.55, 0, 0.36, 0.36), [(-0.2, 0), (0.95, 0), (0.95, 0.35)], [(0.6, 0), (0.6, 0.3)]],
    "spiral": [_spiral()],
    "star": [_star(5, 0.42)],
    "umbrella": [[*_arc(0, 0, 0.9, 0.8, 180, 360), (-0.9, 0)], [(0, -0.9), (0, 0.7)],
                 _arc(-0.2, 0.7, 0.2, 0.2, 0, 170)],
    "bolt": [[(0.25, -0.95), (-0.45, 0.1), (0.05, 0.1), (-0.25, 0.95), (0.5, -0.2), (0, -0.2), (0.25, -0.95)]],
    "cup": [[(-0.65, -0.5), (-0.5, 0.7), (0.3, 0.7), (0.45, -0.5), (-0.65, -0.5)],
            _arc(0.45, 0.05, 0.36, 0.32, 280, 440)],
    "tree": [[(0, -0.95), (-0.6, -0.1), (-0.25, -0.1), (-0.75, 0.5), (0.75, 0.5), (0.25, -0.1), (0.6, -0.1),
              (0, -0.95)], [(-0.12, 0.5), (-0.12, 0.95), (0.12, 0.95), (0.12, 0.5)]],
    "eye": [_arc(0, 0.5, 1.0, 0.9, 205, 335), _arc(0, -0.3, 1.0, 0.9, 25, 155), _arc(0, 0.1, 0.26, 0.26)],
    "anchor": [[(0, -0.55), (0, 0.85)], _arc(0, -0.75, 0.18, 0.18), [(-0.4, -0.3), (0.4, -0.3)],
               _arc(0, 0.05, 0.75, 0.8, 0, 180)],
    "note": [_arc(-0.4, 0.65, 0.3, 0.22), [(-0.1, 0.65), (-0.1, -0.85), (0.55, -0.6), (0.6, -0.15)]],
    "flag": [[(-0.6, 0.95), (-0.6, -0.9), (0.7, -0.7), (0.3, -0.3), (0.7, 0.1), (-0.6, 0)]],
    "boat": [[(-0.9, 0.35), (0.9, 0.35), (0.55, 0.8), (-0.55, 0.8), (-0.9, 0.35)], [(0, 0.35), (0, -0.9)],
             [(0, -0.9), (0.7, 0.15), (0, 0.15)]],
    "moon": [_arc(0, 0, 0.85, 0.85, 50, 310), _arc(0.35, 0, 0.68, 0.68, 75, 285)],
    "hourglass": [[(-0.6, -0.85), (0.6, -0.85), (-0.6, 0.85), (0.6, 0.85), (-0.6, -0.85)]],
    "sun": [_arc(0, 0, 0.42, 0.42)] + [[(0.6 * c, 0.6 * s), (0.95 * c, 0.95 * s)]
            for c, s in _arc(0, 0, 1, 1, 0, 315)[::2]],
    "ladder": [[(-0.4, -0.95), (-0.4, 0.95)], [(0.4, -0.95), (0.4, 0.95)],
               *[[(-0.4, y), (0.4, y)] for y in (-0.65, -0.2, 0.25, 0.7)]],
    "scissors": [[(-0.3, -0.9), (0.3, 0.4)], [(0.3, -0.9), (-0.3, 0.4)], _arc(-0.42, 0.65, 0.25, 0.28),
                 _arc(0.42, 0.65, 0.25, 0.28)],
    "face": [_arc(0, 0, 0.9, 0.9), _arc(-0.32, -0.25, 0.08, 0.1), _arc(0.32, -0.25, 0.08, 0.1),
             _arc(0, 0.1, 0.5, 0.45, 20, 160)],
    "envelope": [[(-0.9, -0.6), (0.9, -0.6), (0.9, 0.6), (-0.9, 0.6), (-0.9, -0.6), (0, 0.15), (0.9, -0.6)]],
    "wave": [[(-0.95, y), (-0.55, y - 0.3), (-0.15, y), (0.25, y - 0.3), (0.65, y), (0.95, y - 0.2)]
             for y in (-0.35, 0.2, 0.75)],
}  # fmt: skip
CLASSES = tuple(DRAWINGS)
FRAMES: tuple[Stroke, ...] = (  # of signs, at the distance 1 from the middle
    _arc(0, 0, 1.15, 1.15),
    [(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)],
    [(0, -1.5), (1.5, 0), (0, 1.5), (-1.5, 0), (0, -1.5)],
    [(0, -1.75), (1.65, 1.05), (-1.65, 1.05), (0, -1.75)],
)


def name(index: int, seed: int) -> str:
    return CLASSES[index]


def _nearest(x: Array, y: Array, strokes: list[Stroke], reach: float) -> Array:
    """The distance to the nearest line, where it is below `reach`; else `reach`."""
    best = np.full_like(x, reach)
    across, down = x[0], y[:, 0]
    for stroke in strokes:
        for (ax, ay), (bx, by) in itertools.pairwise(stroke):
            # Only the part of the picture that the line can touch.
            left, right = np.searchsorted(across, (min(ax, bx) - reach, max(ax, bx) + reach))
            top, bottom = np.searchsorted(down, (min(ay, by) - reach, max(ay, by) + reach))
            part = np.s_[top:bottom, left:right]
            px, py, dx, dy = x[part] - ax, y[part] - ay, bx - ax, by - ay
            along = np.clip((px * dx + py * dy) / max(dx * dx + dy * dy, 1e-9), 0, 1)
            best[part] = np.minimum(best[part], np.hypot(px - along * dx, py - along * dy))
    return best


def _drawn(strokes: list[Stroke], rng: Generator, fit: Array, wobble: float) -> list[Stroke]:
    """The strokes under a linear map `fit` [2, 3], bent by one slow wave and with unsteady corners."""
    phase, pull = rng.uniform(0, 6.28, 2), rng.uniform(-0.08, 0.08, 2)
    drawn = []
    for stroke in strokes:
        points = np.asarray(stroke)
        points = points + pull * np.sin(2.2 * points[:, ::-1] + phase) + rng.normal(0, wobble, points.shape)
        drawn.append([(float(h), float(v)) for h, v in points @ fit[:, :2].T + fit[:, 2]])
    return drawn


def _ground(x: Array, y: Array, rng: Generator, light: bool) -> Array:
    """Paper, a board, a wall or sky, light or dark."""
    value = rng.uniform(0.75, 0.97) if light else rng.uniform(0.08, 0.4)
    one, other = (hsv(rng.random(), rng.uniform(0, 0.5), value + rng.normal(0, 0.06)) for _ in range(2))
    along, _ = turned(x, y, rng.uniform(0, 6.28))
    picture = mix(one, mix(one, other, 0.5), soft(along, 2))
    if rng.random() < 0.25:  # ruled or squared paper
        lines = np.maximum(np.abs(y * rng.uniform(3, 6) % 1 - 0.5), rng.integers(2) * np.abs(x * 4 % 1 - 0.5))
        picture = picture * (1 - 0.2 * soft(lines - 0.45, 0.05))
    return picture * (1 + rng.uniform(0.01, 0.07) * noise("fractal", x, y, rng, rng.uniform(0.4, 2)))


def draw(rng: Generator, index: int, size: int, seed: int) -> Array:
    """One picture of class `index`: uint8 [size, size, 3]."""
    x, y = grid(size)
    light = bool(rng.random() < 0.6)
    picture = _ground(x, y, rng, light)
    angle, scale = rng.normal(0, 0.2), rng.uniform(0.5, 0.8)
    wide, tall, skew = scale * rng.uniform(0.8, 1.1), scale * rng.uniform(0.8, 1.1), rng.normal(0, 0.12)
    mirror = rng.choice((-1, 1))
    c, s = np.cos(angle), np.sin(angle)
    fit = np.asarray([[c, -s], [s, c]]) @ np.asarray([[mirror * wide, skew * scale], [0, tall]])
    fit = np.column_stack([fit, rng.uniform(-0.15, 0.15, 2)])
    ink = hsv(rng.random(), rng.uniform(0.1, 0.9), rng.uniform(0.02, 0.35) if light else rng.uniform(0.7, 1))
    width = rng.uniform(0.06, 0.14)
    strokes = _drawn(DRAWINGS[CLASSES[index]], rng, fit, rng.uniform(0, 0.035))
    if rng.random() < 0.4:
        frame = FRAMES[rng.integers(len(FRAMES))]
        fit = np.column_stack([1.15 * scale * np.asarray([[c, -s], [s, c]]), fit[:, 2]])
        edge = _nearest(x, y, _drawn([frame], rng, fit, 0.01), 0.4)
        colour = ink if rng.random() < 0.5 else hsv(rng.choice((0, 0.6)), 0.8, 0.6)
        picture = mix(picture, colour, soft(width * rng.uniform(0.5, 0.9) - edge, 0.05))
        strokes = [[(0.72 * h + 0.28 * float(fit[0, 2]), 0.72 * v + 0.28 * float(fit[1, 2])) for h, v in stroke]
                   for stroke in strokes]  # fmt: skip
        width *= 0.8
    pressure = 1 + 0.15 * noise("fractal", x, y, rng, 0.8)
    near = _nearest(x, y, strokes, 0.4)
    picture = mix(picture, ink, rng.uniform(0.75, 1) * soft(0.5 * width * pressure - near, 0.04))
    return develop(picture * rgb(rng.uniform(0.95, 1.05, 3)), rng, 0.015)
