"""Bodies that a camera sees: where rays meet them, and which way their surface faces.

A body is a `Part`: a shape in its own frame, where it fills the cube [-1, 1]^3, stretched, turned
and moved into the scene. Shapes of revolution have a squared radius that is quadratic in z,

    x^2 + y^2 = a + b z + c z^2   for -1 <= z <= 1,

closed by flat caps: balls, drums, cones, domes and hourglasses are all one formula, and a ray meets
each by solving one quadratic equation. Blocks are three slabs; plates are flat outlines.
"""

from dataclasses import dataclass, field

import numpy as np

Array = np.ndarray

REVOLVED = {
    "ball": (1.0, 0.0, -1.0),
    "drum": (1.0, 0.0, 0.0),
    "barrel": (1.0, 0.0, -0.5),
    "cone": (0.25, -0.5, 0.25),
    "bucket": (0.5625, 0.375, 0.0625),
    "dome": (0.5, -0.5, 0.0),
    "hourglass": (0.12, 0.0, 0.88),
}
PLATES = ("star", "flower", "gear")
FAR = np.float32(1e3)


@dataclass(frozen=True)
class Part:
    """One body of a thing: its shape, half extents, centre, turn (a rotation [3, 3]) and paint."""

    shape: str
    extent: tuple[float, float, float]
    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn: Array = field(default_factory=lambda: np.eye(3, dtype=np.float32))
    paint: int = 0
    lobes: int = 5


def rotation(axis: int, angle: float) -> Array:
    """The rotation [3, 3] by `angle` (radians) about coordinate axis `axis`."""
    matrix = np.eye(3, dtype=np.float32)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[second, first] = np.sin(angle)
    matrix[first, second] = -matrix[second, first]
    return matrix


def outline(shape: str, lobes: int, angle: Array) -> Array:
    """The radius of a plate in direction `angle`."""
    if shape == "star":
        tooth = np.abs((angle * np.float32(lobes / (2 * np.pi))) % 1 - 0.5) * 2
        return 0.36 + 0.64 * tooth
    wave = np.cos(angle * lobes)
    if shape == "flower":
        return 0.72 + 0.28 * wave
    return 0.84 + np.clip(wave * 2, -0.16, 0.16)


def into_frame(part: Part, points: Array, moved: bool) -> Array:
    """Points [3, n] (or directions, if not `moved`) of the thing in the part's own frame."""
    if moved:
        points = points - np.asarray(part.centre, dtype=np.float32)[:, None]
    return (part.turn.T / np.asarray(part.extent, dtype=np.float32)[:, None]) @ points


def meet(part: Part, origin: Array, rays: Array) -> Array:
    """The distance [n] at which rays [3, n] from `origin` [3, 1] first meet the part, FAR if never."""
    start = into_frame(part, origin, moved=True).ravel()
    dx, dy, dz = into_frame(part, rays, moved=False)
    ox, oy, oz = (float(value) for value in start)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        per_z = 1 / dz
        if part.shape in PLATES:
            t = -oz * per_z
            x, y = ox + t * dx, oy + t * dy
            inside = x * x + y * y <= outline(part.shape, part.lobes, np.arctan2(y, x)) ** 2
            return np.where(inside & (t > 0), t, FAR)
        if part.shape == "block":
            per_x, per_y = 1 / dx, 1 / dy
            middle = (-ox * per_x, -oy * per_y, -oz * per_z)
            half = (np.abs(per_x), np.abs(per_y), np.abs(per_z))
            enters = np.maximum(np.maximum(middle[0] - half[0], middle[1] - half[1]), middle[2] - half[2])
            leaves = np.minimum(np.minimum(middle[0] + half[0], middle[1] + half[1]), middle[2] + half[2])
            return np.where((enters < leaves) & (enters > 0), enters, FAR)
        a, b, c = REVOLVED[part.shape]
        square = dx * dx + dy * dy - c * dz * dz
        linear = ox * dx + oy * dy - (c * oz + b / 2) * dz
        constant = ox * ox + oy * oy - a - b * oz - c * oz * oz
        root = np.sqrt(linear * linear - square * constant)  # NaN where the ray misses
        per_square = 1 / square
        best = np.full_like(dx, FAR)
        for sign in (-1, 1):
            t = (sign * root - linear) * per_square
            best = np.where((np.abs(oz + t * dz) <= 1) & (t > 0) & (t < best), t, best)
        # Of the two caps only the one that faces the camera can be met first.
        cap = np.sign(oz) if abs(oz) > 1 else 0
        if cap and a + cap * b + c > 0:
            t = (cap - oz) * per_z
            x, y = ox + t * dx, oy + t * dy
            best = np.where((x * x + y * y <= a + cap * b + c) & (t > 0) & (t < best), t, best)
    return best


def surface(part: Part, points: Array) -> tuple[Array, Array, Array]:
    """Normals [3, n] in the thing's frame and texture coordinates u, v [n] of points [3, n] on the part.

    Texture coordinates are lengths along the surface, so a pattern has one size on all sides.
    """
    extent = np.asarray(part.extent, dtype=np.float32)[:, None]
    local = into_frame(part, points, moved=True)
    x, y, z = local * extent
    if part.shape == "block":
        side = np.abs(local).argmax(axis=0)
        normal = np.sign(local) * (np.arange(3)[:, None] == side)
        u, v = np.where(side == 0, y, x), np.where(side == 2, y, z)
    elif part.shape in PLATES:
        u, v = x, y
        bulge = np.float32(0.35)
        normal = np.stack([bulge * local[0], bulge * local[1], np.ones_like(x)]) * extent
    else:
        _, b, c = REVOLVED[part.shape]
        cap = np.abs(local[2]) > 0.999
        normal = np.stack([local[0], local[1], -b / 2 - c * local[2]])
        normal = np.where(cap, np.stack([0 * x, 0 * x, local[2]]), normal)
        u = np.where(cap, x, np.arctan2(local[1], local[0]) * extent[0])
        v = np.where(cap, y, z)
    normal = part.turn @ (normal / extent)
    return normal / np.maximum(np.sqrt((normal * normal).sum(axis=0)), 1e-6), u, v
