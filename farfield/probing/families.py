"""Images that belong together without being one picture: several crops, frames or views of one thing.

Copies are told by a fixed likeness (`farfield.probing.duplicates`). Views of one thing may differ more than two
things of another class do, so what is near is measured by each image's own class: on the logarithm of distances,
where most of the class lies within a few distances of its quartiles, views of one thing lie far below.
"""

import numpy as np

from farfield.probing.duplicates import clusters, merged

BELOW = 3.0  # distances of the quartiles below the median, seen from either of two images
FEWEST = 8  # images of a class that has quartiles
MANY = (
    1 / 3
)  # of the images must have a relative that is no copy; of sets of single pictures a fifth at most had


def families(looks: np.ndarray, labels: np.ndarray, copies: np.ndarray) -> np.ndarray | None:
    """int [n] from 0, equal for images that belong together by their looks [n, e], of length one.

    copies: int [n], of images that are nearly one picture, which stay together. None unless many images have a
    relative. Relatives are found that are less than a quarter of their class.
    """
    first, second = (np.concatenate(rows) for rows in zip(*_pairs(looks, labels), strict=True))
    apart = copies[first] != copies[second]
    if len(np.unique([first[apart], second[apart]])) < MANY * len(labels):
        return None
    return merged(clusters(first, second, len(labels)), copies)


def _pairs(looks: np.ndarray, labels: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows of relatives, for each class."""
    found = [(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))]
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        if len(rows) < FEWEST:
            continue
        apart = np.log(np.maximum(1 - looks[rows].astype(np.float64) @ looks[rows].T, 1e-6))
        others = apart[~np.eye(len(rows), dtype=bool)].reshape(len(rows), -1)
        low, middle, high = np.quantile(others, [0.25, 0.5, 0.75], axis=1)
        near = apart < (middle - BELOW * (high - low))[:, None]
        first, second = np.nonzero(np.triu(near & near.T, 1))
        found.append((rows[first], rows[second]))
    return found
