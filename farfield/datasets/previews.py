"""A dataset at a glance: a few images of each class on one sheet."""

import numpy as np

from farfield.datasets.channels import Kept, pictures


def contact_sheet(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    columns: int = 10,
    rows: int = 4,
    kept: Kept | None = None,
) -> np.ndarray:
    """uint8 [rows * S, columns * S, 3] out of packed images [n, S, S, c]: a column a class, at most `columns`
    classes at even distances, the first images of each from top to bottom. Missing ones are white. kept: the
    channels that the dataset keeps, if it is not RGB."""
    present = np.unique(labels)
    chosen = present[np.unique(np.linspace(0, len(present) - 1, columns).round().astype(int))]
    side = images.shape[1]
    sheet = np.full((rows, side, len(chosen), side, 3), 255, dtype=np.uint8)
    for column, label in enumerate(chosen):
        for row, image in enumerate(np.flatnonzero(labels == label)[:rows]):
            sheet[row, :, column] = pictures(images[image], kept)
    return sheet.reshape(rows * side, len(chosen) * side, 3)
