"""Where the camera's rays end, on what, and which way it faces: the exact geometry of a scene."""

from dataclasses import dataclass

import numpy as np

from farfield.datasets.procedural.canvas import Array
from farfield.datasets.procedural.rooms.interior import CLASSES, SOLIDS, WIDE, Interior
from farfield.datasets.procedural.solids import FAR, meet, surface

WALL, FLOOR, CEILING, WINDOW = range(4)
FRAME = -1  # the frame of a window is of no class
PARTS = 16  # things from this number on are parts; below are the six sides of the room, then windows


@dataclass(frozen=True)
class Hits:
    """What n rays meet. points [3, n] and normals [3, n] in the room's frame; depth [n] in metres along
    the camera's axis; thing [n], a number for each side of the room (0 to 5), window and frame (6 to 15)
    and part (from 16); label [n], the class, -1 for the frame of a window; u, v [n], lengths along it."""

    points: Array
    normals: Array
    depth: Array
    thing: Array
    label: Array
    u: Array
    v: Array


def camera_rays(scene: Interior, x: Array, y: Array) -> Array:
    """Directions [3, n] through screen coordinates x (right) and y (down) from -1 to 1, one metre deep.

    The distance at which such a ray meets something, in units of its length, is the depth.
    """
    screen = np.stack([x * WIDE, -y * WIDE, np.ones_like(x)]).astype(np.float32)
    return scene.turn @ screen


def project(scene: Interior, points: Array) -> tuple[Array, Array, Array]:
    """Screen coordinates x, y and the depth [n] of points [3, n] in the room."""
    right, up, forward = scene.turn.T @ (points - scene.eye)
    ahead = np.where(forward > 0.05, forward, np.nan)
    return right / ahead / WIDE, -up / ahead / WIDE, ahead


def in_camera(scene: Interior, normals: Array) -> Array:
    """Normals [3, n] as NYU Depth v2 codes them: to the right, minus towards the camera, up."""
    right, up, forward = scene.turn.T @ normals
    return np.stack([right, forward, up])


def trace(scene: Interior, rays: Array) -> Hits:
    """What rays [3, n] from the camera meet first. The room is closed, so that each meets something."""
    low = np.asarray([-scene.room[0], 0, -scene.room[2]], dtype=np.float32)[:, None]
    high = scene.room[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        exits = np.where(rays > 0, high - scene.eye, low - scene.eye) / rays
    exits = np.where(rays == 0, FAR, exits)
    axis = exits.argmin(axis=0)
    depth = np.take_along_axis(exits, axis[None], axis=0)[0]
    positive = np.take_along_axis(rays, axis[None], axis=0)[0] > 0
    thing = (2 * axis + positive).astype(np.int16)
    for number, part in enumerate(scene.parts):
        meets = meet(part, scene.eye, rays)
        nearer = meets < depth
        depth = np.where(nearer, meets, depth).astype(np.float32)
        thing[nearer] = PARTS + number
    points = scene.eye + rays * depth
    return _described(scene, points, depth, thing, axis, positive)


def _described(
    scene: Interior, points: Array, depth: Array, thing: Array, axis: Array, positive: Array
) -> Hits:
    normals = np.where(np.arange(3)[:, None] == axis, np.where(positive, -1, 1), 0).astype(np.float32)
    x, y, z = points
    u, v = np.where(axis == 0, z, x), np.where(axis == 1, z, y)
    label = np.where(axis == 1, np.where(positive, CEILING, FLOOR), WALL).astype(np.int16)
    for number, window in enumerate(scene.windows):
        on = thing == 2 * window.axis + (window.side > 0)
        across = np.abs((z if window.axis == 0 else x) - window.centre[0]) - window.half[0]
        inside = np.maximum(across, np.abs(y - window.centre[1]) - window.half[1])
        label[on & (inside < 0)], thing[on & (inside < 0)] = FRAME, 6 + 2 * number
        glass = on & (inside < -window.frame)
        label[glass], thing[glass] = WINDOW, 7 + 2 * number
    for number, part in enumerate(scene.parts):
        seen = np.flatnonzero(thing == PARTS + number)
        if not len(seen):
            continue
        normals[:, seen], u[seen], v[seen] = surface(part, points[:, seen])
        label[seen] = CLASSES.index(SOLIDS[part.shape])
    return Hits(points, normals, depth, thing, label, u, v)
