"""A dense dataset at a glance: images beside their targets."""

import colorsys
from collections.abc import Mapping

import numpy as np

GOLDEN = 0.618  # turns of hue between classes: neighbours differ much, and no two of many are equal


def palette(classes: int) -> np.ndarray:
    """uint8 [classes + 1, 3]: a colour a class; the last, for label -1, is black."""
    colours = [
        colorsys.hsv_to_rgb(GOLDEN * label % 1, 0.45 + 0.45 * (label % 2), 0.95 - 0.2 * (label % 3))
        for label in range(classes)
    ]
    return np.rint(255 * np.asarray([*colours, (0, 0, 0)])).astype(np.uint8)


def picture(task: str, target: np.ndarray, classes: int) -> np.ndarray:
    """uint8 [.., h, w, 3] of packed targets [.., h, w]: classes in colours, normals as coded, the rest grey.

    Grey runs from the least value known to the largest; what is unknown is black, in normals white.
    """
    if task == "segmentation":
        return palette(classes)[target]
    if task == "normals":
        return np.asarray(target)
    known = np.isfinite(target)
    least, most = (target[known].min(), target[known].max()) if known.any() else (0, 1)
    share = (np.where(known, target, least) - least) / max(float(most - least), 1e-12)
    grey = np.where(known, np.rint(40 + 215 * share), 0).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def target_sheet(
    images: np.ndarray, targets: Mapping[str, np.ndarray], classes: int, *, rows: int = 6
) -> np.ndarray:
    """uint8 [rows * h, columns * w, 3]: points at even distances, each with its image and targets."""
    chosen = np.unique(np.linspace(0, len(images) - 1, rows).round().astype(int))
    columns = [images[chosen], *(picture(task, target[chosen], classes) for task, target in targets.items())]
    return np.concatenate(np.concatenate(columns, axis=2), axis=0)
