"""Keypoints and edges of a scene, from its geometry: smooth maps from -1 (none) to 1."""

import numpy as np

from farfield.datasets.dense.boundaries import nearness
from farfield.datasets.procedural.canvas import Array
from farfield.datasets.procedural.rooms.interior import Interior
from farfield.datasets.procedural.rooms.rays import Hits, camera_rays, project, trace
from farfield.datasets.procedural.solids import Part

SPREAD = 0.08  # of a keypoint, as a part of the picture's side
REACH = 0.045  # of an edge
CREASE = 0.94  # cosine of the angle between normals from which on it is an edge
STEP = 0.08  # depths that differ by this part of themselves are an edge


def keypoints(scene: Interior, x: Array, y: Array, size: int) -> Array:
    """float32 [size, size]: twice the highest Gaussian at visible corners, minus 1, at pixels x, y [n]."""
    across, down, depth = project(scene, corners(scene))
    inside = (np.abs(across) < 1.05) & (np.abs(down) < 1.05)
    across, down, depth = across[inside], down[inside], depth[inside]
    # A corner is hidden if the ray to it ends well before.
    met = trace(scene, camera_rays(scene, across, down)).depth
    seen = met > 0.97 * depth
    heat = np.zeros_like(x)
    for a, b in zip(across[seen], down[seen], strict=True):
        heat = np.maximum(heat, np.exp(-((x - a) ** 2 + (y - b) ** 2) / np.float32(2 * (2 * SPREAD) ** 2)))
    return (2 * heat - 1).reshape(size, size).astype(np.float32)


def corners(scene: Interior) -> Array:
    """Points [3, n] of the room, its windows and its solids where edges meet, and the tips of cones."""
    signs = np.asarray(np.meshgrid([-1, 1], [-1, 1], [-1, 1]), dtype=np.float32).reshape(3, 8)
    width, height, length = scene.room
    room = np.stack([signs[0] * width, (signs[1] + 1) / 2 * height, signs[2] * length])
    found = [room, *(window.corners(scene.room) for window in scene.windows)]
    found += [_placed(part, signs) for part in scene.parts if part.shape == "block"]
    tip = np.asarray([[0], [0], [1]], dtype=np.float32)
    found += [_placed(part, tip) for part in scene.parts if part.shape == "cone"]
    return np.concatenate(found, axis=1)


def _placed(part: Part, local: Array) -> Array:
    """Points of a part's own frame in the room."""
    extent, centre = (np.asarray(values, dtype=np.float32)[:, None] for values in (part.extent, part.centre))
    return part.turn @ (local * extent) + centre


def edges(hits: Hits, size: int) -> Array:
    """float32 [size, size]: nearness to where one thing ends, a surface folds or the depth jumps.

    hits: of a picture at twice the size. Shadows and patterns of paint are no edges.
    """
    side = 2 * size
    thing, depth = hits.thing.reshape(side, side), hits.depth.reshape(side, side)
    normals = hits.normals.reshape(3, side, side)
    marked = np.zeros((side, side), dtype=bool)
    for axis in (0, 1):
        first, second = ([slice(None)] * 2 for _ in range(2))
        first[axis], second[axis] = slice(0, -1), slice(1, None)
        one, other = tuple(first), tuple(second)
        fold = (normals[:, *one] * normals[:, *other]).sum(axis=0) < CREASE
        jump = np.abs(depth[one] - depth[other]) > STEP * np.minimum(depth[one], depth[other])
        end = thing[one] != thing[other]
        # A floor seen at a grazing angle is steep and no edge, so a jump counts on one solid alone.
        marked[one] |= end | (fold | jump) & (thing[one] >= 16)
    near = nearness(marked, reach=REACH * side)
    return near.reshape(size, 2, size, 2).mean(axis=(1, 3), dtype=np.float32)
