"""Rooms with a few solids in them: pictures whose targets for five tasks are known exactly.

A small stand-in for the indoor datasets of multi-task learning (NYU Depth v2, Taskonomy) with the same
coding of their targets: a working default and a test bed, not a benchmark. As a real depth camera, this one
knows nothing behind the glass of windows, and nobody labelled their frames.
"""

from dataclasses import dataclass

import numpy as np

from farfield.datasets.procedural.canvas import Array, bump, develop, grid, hsv, mix, noise, soft
from farfield.datasets.procedural.objects import second_colour
from farfield.datasets.procedural.rooms.interior import CLASSES, Interior, furnish
from farfield.datasets.procedural.rooms.maps import edges, keypoints
from farfield.datasets.procedural.rooms.rays import PARTS, WINDOW, Hits, camera_rays, in_camera, trace
from farfield.datasets.procedural.solids import FAR, meet

__all__ = ["CLASSES", "Scene", "draw"]

SKY = hsv(0.59, 0.44, 0.98)[:, 0], hsv(0.6, 0.05, 1.0)[:, 0]  # blue, and clouds


@dataclass(frozen=True)
class Scene:
    """image: uint8 [s, s, 3]. segmentation: uint8 [s, s], 255 for void. normals: uint8 [s, s, 3], (n + 1) / 2
    x 255 of n = (right, minus towards the camera, up), white where unknown. depth: float32 [s, s] in metres
    along the camera's axis, 0 where unknown. keypoints, edges: float32 [s, s] in [-1, 1]."""

    image: Array
    segmentation: Array
    normals: Array
    depth: Array
    keypoints: Array
    edges: Array


def draw(rng: np.random.Generator, size: int) -> Scene:
    """One scene; it depends on nothing but the stream and the size."""
    scene = furnish(rng)
    x, y = grid(size)
    fine = trace(scene, rays := camera_rays(scene, x.ravel(), y.ravel()))
    picture = _shaded(scene, fine, rays, rng).reshape(3, 2 * size, 2 * size)
    # Targets are those at the centres of the pixels, not means of several surfaces.
    steps = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(2 / size) - 1
    across, down = (axis.ravel() for axis in np.meshgrid(steps, steps))
    hits = trace(scene, camera_rays(scene, across, down))
    glass = hits.label == WINDOW
    coded = np.rint((in_camera(scene, hits.normals) + 1) * np.float32(127.5)).clip(0, 255)
    coded[:, glass] = 255
    return Scene(
        image=develop(picture, rng, 0.012),
        segmentation=hits.label.astype(np.uint8).reshape(size, size),  # -1 becomes 255
        normals=np.ascontiguousarray(coded.astype(np.uint8).T.reshape(size, size, 3)),
        depth=np.where(glass, 0, hits.depth).astype(np.float32).reshape(size, size),
        keypoints=keypoints(scene, across, down, size),
        edges=edges(fine, size),
    )


def _shaded(scene: Interior, hits: Hits, rays: Array, rng: np.random.Generator) -> Array:
    """The colours [3, n] of what the rays meet: paint, light from the lamp, and its shadows."""
    picture = _painted(scene, hits, rng)
    towards = scene.lamp - hits.points
    distance = np.sqrt((towards * towards).sum(axis=0))
    facing = (hits.normals * -np.sign((hits.normals * rays).sum(axis=0)) * towards).sum(axis=0) / distance
    lit = np.clip(facing, 0, 1) * 4.5 / (1.5 + distance * distance) * _open(scene, hits, rng)
    ambient, lamp = scene.light
    picture = picture * (ambient + lamp * lit)
    glass = hits.label == WINDOW
    sky = soft(noise("fractal", rays[0, glass], rays[1, glass], rng, 0.7), 4)
    picture[:, glass] = mix(*SKY, sky)
    return picture


def _painted(scene: Interior, hits: Hits, rng: np.random.Generator) -> Array:
    picture = np.full_like(hits.points, 0.9)  # the frames of windows
    groups = [hits.thing // 2 != 1, hits.thing == 2, hits.thing == 3]
    groups[0] &= hits.thing < 6
    groups += [hits.thing == PARTS + number for number in range(len(scene.parts))]
    for where, paint in zip(groups, scene.paints, strict=True):
        cover: Array | float = 0.0
        if paint.pattern and where.any():
            u, v = hits.u[where], hits.v[where]
            cover = second_colour(paint.pattern, u, v, paint.frequency, rng)
        picture[:, where] = mix(*paint.colours, cover)
    return picture


def _open(scene: Interior, hits: Hits, rng: np.random.Generator) -> Array:
    """How much of the lamp each point [n] of the room sees: soft blots under solids, and hard shadows."""
    seen = np.ones_like(hits.depth)
    to_points = hits.points - scene.lamp
    for number, part in enumerate(scene.parts):
        met = meet(part, scene.lamp, to_points)
        seen[(met < 0.99) & (met < FAR) & (hits.thing != PARTS + number)] = 0.35
        radius = max(part.extent[:2])
        off = np.hypot(hits.points[0] - part.centre[0], hits.points[2] - part.centre[2]) / radius
        seen *= np.where(hits.thing == 2, 1 - 0.45 * bump(off, 3.0), 1)
    return seen
