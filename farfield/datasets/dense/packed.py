"""Reading what `pack_dense` wrote. Images and manifest are read as those of other datasets are."""

from pathlib import Path

import numpy as np

from farfield.datasets.dense.records import TASKS
from farfield.files import read_json


def load_targets(folder: Path) -> dict[str, np.ndarray]:
    """The packed targets by task, in the order of TASKS, as read-only memory maps (see `dense.targets`)."""
    paths = {task: folder / f"{task}.npy" for task in TASKS}
    return {task: np.load(path, mmap_mode="r") for task, path in paths.items() if path.exists()}


def load_class_names(folder: Path) -> list[str]:
    """The names of the segmentation classes, in the order of their labels."""
    return read_json(folder / "classes.json")
