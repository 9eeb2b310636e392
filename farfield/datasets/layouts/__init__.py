"""How the archives of each dataset are read: one layout a file, in `LAYOUTS` or `DENSE_LAYOUTS`.

A layout is `layout(raw, options) -> Index`, where `raw` is the folder that holds the archives under
the names that the card gives them and `options` is the card's section of that name. It raises
InputError if a label file names a missing image, an archive brings no image or a class has none.
Datasets with a target for every pixel have the same kind of layout, to a `DenseIndex`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from farfield.datasets.dense.records import DenseIndex
from farfield.datasets.layouts.index import Index, Record, read_images
from farfield.registry import Registry

# What packs a dataset depends on the file of its own layout alone, beside those that layouts share.
LAYOUTS: Registry[Callable[[Path, dict[str, Any]], Index]] = Registry(
    "layout",
    __name__,
    {
        "chestx": "chestx",
        "cifar": "cifar",
        "cub": "cub",
        "decathlon": "decathlon",
        "dtd": "dtd",
        "flowers17": "flowers17",
        "flowers102": "flowers102",
        "folder": "folder",
        "isic": "isic",
        "labelled": "labelled",
        "mini_imagenet": "mini_imagenet",
        "rsna": "rsna",
        "rvl_cdip": "rvl_cdip",
        "slides": "slides",
        "split_csv": "split_csv",
        "stanford_cars": "stanford_cars",
        "tiered": "tiered",
        "wikiart": "wikiart",
    },
)

DENSE_LAYOUTS: Registry[Callable[[Path, dict[str, Any]], DenseIndex]] = Registry(
    "dense layout",
    __name__,
    {
        "camvid": "camvid",
        "cityscapes": "cityscapes",
        "cityscapes_npy": "cityscapes_npy",
        "nyuv2_mat": "nyuv2_mat",
        "nyuv2_prepared": "nyuv2_prepared",
        "taskonomy_tiny": "taskonomy_tiny",
    },
)

__all__ = ["DENSE_LAYOUTS", "LAYOUTS", "Index", "Record", "read_images"]
