"""Reading what `packing` wrote."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from farfield.errors import InputError
from farfield.files import read_json

if TYPE_CHECKING:
    import pandas as pd


def load_images(folder: Path) -> np.ndarray:
    """The packed images, as a read-only memory map: uint8 [n, h, w, 3], or uint16 [n, h, w, c] of channels that
    the card keeps."""
    return np.load(folder / "images.npy", mmap_mode="r")


def load_manifest(folder: Path) -> "pd.DataFrame":
    """One row an image: row, path, label, class_name, split, width, height, mode, sha256, and how it was read."""
    import pandas as pd

    return pd.read_parquet(folder / "manifest.parquet")


def load_ranges(folder: Path) -> dict[str, tuple[float, float]]:
    """The values of black and white of each kind of file whose range an uint8 data set gives."""
    return {kind: (low, high) for kind, (low, high) in read_json(folder / "ranges.json").items()}


def in_splits(manifest: "pd.DataFrame", wanted: Sequence[str], key: str, dataset: str) -> np.ndarray:
    """bool [n], the images of the splits `wanted`. InputError that names the parameter `key` if one of
    them has no image."""
    present = sorted(manifest["split"].unique())
    if absent := [split for split in wanted if split not in present]:
        raise InputError(f"{key} is {absent[0]!r}, but {dataset} has the splits {', '.join(present)}")
    return manifest["split"].isin(list(wanted)).to_numpy()
