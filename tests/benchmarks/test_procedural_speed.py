"""Drawing a room: all rays of a picture at once, against one after the other."""

import numpy as np

from farfield.datasets.procedural.rooms.interior import furnish
from farfield.datasets.procedural.rooms.rays import camera_rays, trace
from farfield.seeds import stream

SIZE = 48


def test_rays_at_once_against_one_by_one(ratio):
    room = furnish(stream(5, "rooms", "train", 0))
    steps = (np.arange(SIZE, dtype=np.float32) + 0.5) * np.float32(2 / SIZE) - 1
    x, y = (axis.ravel() for axis in np.meshgrid(steps, steps))

    def at_once():
        return trace(room, camera_rays(room, x, y)).depth

    def one_by_one(rows: slice):
        return [
            trace(room, camera_rays(room, x[i : i + 1], y[i : i + 1])).depth[0] for i in range(SIZE**2)[rows]
        ]

    assert np.allclose(at_once(), one_by_one(slice(None)), rtol=1e-5)
    ratio(at_once, lambda: one_by_one(slice(None, None, 16)), least=20.0, share=1 / 16)
