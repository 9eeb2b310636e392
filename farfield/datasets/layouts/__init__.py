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
from farfield.datasets.layouts.camvid import camvid
from farfield.datasets.layouts.chestx import chestx
from farfield.datasets.layouts.cifar import cifar
from farfield.datasets.layouts.cityscapes import cityscapes
from farfield.datasets.layouts.cityscapes_npy import cityscapes_npy
from farfield.datasets.layouts.cub import cub
from farfield.datasets.layouts.decathlon import decathlon
from farfield.datasets.layouts.dtd import dtd
from farfield.datasets.layouts.flowers17 import flowers17
from farfield.datasets.layouts.flowers102 import flowers102
from farfield.datasets.layouts.folder import folder
from farfield.datasets.layouts.index import Index, Record, read_images
from farfield.datasets.layouts.isic import isic
from farfield.datasets.layouts.labelled import labelled
from farfield.datasets.layouts.mini_imagenet import mini_imagenet
from farfield.datasets.layouts.nyuv2_mat import nyuv2_mat
from farfield.datasets.layouts.nyuv2_prepared import nyuv2_prepared
from farfield.datasets.layouts.rvl_cdip import rvl_cdip
from farfield.datasets.layouts.split_csv import split_csv
from farfield.datasets.layouts.stanford_cars import stanford_cars
from farfield.datasets.layouts.taskonomy_tiny import taskonomy_tiny
from farfield.datasets.layouts.tiered import tiered
from farfield.datasets.layouts.wikiart import wikiart
from farfield.errors import InputError

LAYOUTS: dict[str, Callable[[Path, dict[str, Any]], Index]] = {
    "chestx": chestx,
    "cifar": cifar,
    "cub": cub,
    "decathlon": decathlon,
    "dtd": dtd,
    "flowers17": flowers17,
    "flowers102": flowers102,
    "folder": folder,
    "isic": isic,
    "labelled": labelled,
    "mini_imagenet": mini_imagenet,
    "rvl_cdip": rvl_cdip,
    "split_csv": split_csv,
    "stanford_cars": stanford_cars,
    "tiered": tiered,
    "wikiart": wikiart,
}

DENSE_LAYOUTS: dict[str, Callable[[Path, dict[str, Any]], DenseIndex]] = {
    "camvid": camvid,
    "cityscapes": cityscapes,
    "cityscapes_npy": cityscapes_npy,
    "nyuv2_mat": nyuv2_mat,
    "nyuv2_prepared": nyuv2_prepared,
    "taskonomy_tiny": taskonomy_tiny,
}

__all__ = ["DENSE_LAYOUTS", "LAYOUTS", "Index", "Record", "find_dense_layout", "find_layout", "read_images"]


def find_layout(name: str) -> Callable[[Path, dict[str, Any]], Index]:
    """The layout of images with one label called `name`; InputError with the choices if there is none."""
    if name not in LAYOUTS:
        raise InputError(f"there is no layout {name!r} of labelled images; they are {', '.join(LAYOUTS)}")
    return LAYOUTS[name]


def find_dense_layout(name: str) -> Callable[[Path, dict[str, Any]], DenseIndex]:
    """The layout of dense targets called `name`; InputError with the choices if there is none."""
    if name not in DENSE_LAYOUTS:
        raise InputError(f"there is no layout {name!r} of dense targets; they are {', '.join(DENSE_LAYOUTS)}")
    return DENSE_LAYOUTS[name]
