"""Maps of how near a pixel is to something: boundaries of segments, edges, corners."""

import numpy as np


def nearness(marked: np.ndarray, reach: float) -> np.ndarray:
    """float32 [h, w] in [-1, 1]: 2 exp(-d^2 / (2 reach^2)) - 1 at distance d (pixels) from a marked pixel.

    1 on marked pixels, -1 far from all, and everywhere if none is marked.
    """
    from scipy.ndimage import distance_transform_edt

    if not marked.any():
        return np.full(marked.shape, -1, dtype=np.float32)
    distance = distance_transform_edt(~marked)
    return (2 * np.exp(-0.5 * (distance / reach) ** 2) - 1).astype(np.float32)


def changes(values: np.ndarray) -> np.ndarray:
    """bool [h, w]: pixels whose right or lower neighbour has another value, or whose left or upper one."""
    marked = np.zeros(values.shape, dtype=bool)
    for axis in (0, 1):
        across = np.diff(values, axis=axis) != 0
        before, after = [slice(None)] * 2, [slice(None)] * 2
        before[axis], after[axis] = slice(0, -1), slice(1, None)
        marked[tuple(before)] |= across
        marked[tuple(after)] |= across
    return marked


def edges_of_labels(labels: np.ndarray) -> np.ndarray:
    """Edges derived from a label map [h, w]: nearness to the boundaries of its segments, void included.

    They reach a fiftieth of the height, so that they look the same at every size.
    """
    return nearness(changes(labels), reach=max(labels.shape[0] / 50, 0.5))
