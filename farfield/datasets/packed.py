"""Reading what `packing` wrote."""

from pathlib import Path

import numpy as np
import pandas as pd


def load_images(folder: Path) -> np.ndarray:
    """The packed images, uint8 [n, size, size, 3], as a read-only memory map."""
    return np.load(folder / "images.npy", mmap_mode="r")


def load_manifest(folder: Path) -> pd.DataFrame:
    """One row an image: row, path, label, class_name, split, width, height, mode, sha256."""
    return pd.read_parquet(folder / "manifest.parquet")
