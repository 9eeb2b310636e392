"""Tiny dense datasets in the forms of the official archives."""

import io
import json
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from farfield.datasets.cards import Packing
from farfield.datasets.dense.pack_dense import pack_dense
from farfield.datasets.layouts import DENSE_LAYOUTS
from tests.unit.made_up_archives import mat, pack


def png(values: np.ndarray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(values).save(data, "PNG")
    return data.getvalue()


def npy(values: np.ndarray) -> bytes:
    data = io.BytesIO()
    np.save(data, values)
    return data.getvalue()


def photo(number: int, height: int = 4, width: int = 6) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)


def filled(value: float, dtype: type, height: int = 4, width: int = 6) -> np.ndarray:
    return np.full((height, width), value, dtype=dtype)


def coded(vector: tuple[float, float, float], height: int = 4, width: int = 6) -> np.ndarray:
    """A normal as it is coded, in every pixel."""
    return np.broadcast_to(np.rint((np.asarray(vector) + 1) * 127.5), (height, width, 3)).astype(np.uint8)


def prepared(count: int = 4, train: int = 3) -> dict[str, bytes]:
    """The files of a prepared NYU v2: point i has label i everywhere but one void pixel, depth 1 + i."""
    files, entries = {}, []
    for i in range(count):
        labels = filled(i, np.uint8)
        labels[0, 0] = 255
        depth = filled(1 + i, np.float32)
        depth[0, 0] = 0
        normals = coded((0, -1, 0)).copy()
        normals[0, 0] = 255
        kinds = {"img": png(photo(i)), "seg": png(labels), "normal_mask": png(normals), "depth": npy(depth)}
        names = {kind: f"{kind}/{i:04d}.{'npy' if kind == 'depth' else 'png'}" for kind in kinds}
        files |= {f"nyu_v2/{names[kind]}": data for kind, data in kinds.items()}
        entries.append(list(names.values()))
    index = {"train": entries[:train], "train1": [], "test": entries[train:]}
    return files | {"nyu_v2/nyu_v2_3task.json": json.dumps(index).encode()}


def labelled_mat(path: Path, count: int = 3) -> None:
    """The files beside the labelled images: MATLAB's order of axes is the reverse of HDF5's."""
    images = np.stack([photo(i) for i in range(count)])
    labels = np.stack([filled(i, np.uint16) for i in range(count)])
    depths = np.stack([filled(1.5 + i, np.float32) for i in range(count)])
    with h5py.File(path / "nyu_depth_v2_labeled.mat", "w") as file:
        file["images"] = images.transpose(0, 3, 2, 1)
        file["labels"] = labels.transpose(0, 2, 1)
        file["depths"] = depths.transpose(0, 2, 1)
    splits = mat(trainNdxs=np.array([[1], [3]], np.uint16), testNdxs=np.array([[2]], np.uint16))
    (path / "splits.mat").write_bytes(splits)
    mapped = np.array([[40, 3]], np.uint8)  # of the first two of the 894 classes
    (path / "classMapping40.mat").write_bytes(mat(mapClass=mapped))
    mask = filled(1, np.uint8)
    mask[0] = 0
    files = {}
    for i in range(count):
        files |= {
            f"normals_gt/normals/{i:04d}.png": png(coded((1, 0, 0))),
            f"normals_gt/masks/{i:04d}.png": png(mask),
        }
    pack(path / "normals_gt.tgz", files)


def street(frame: str = "train/ulm/ulm_0_1", raw: int = 26, disparity: int = 6553) -> dict[str, bytes]:
    """One frame of Cityscapes: cars, and the road in the first row; the disparity of the last row unknown."""
    ids, disparities = filled(raw, np.uint8), filled(disparity, np.uint16)
    ids[0], ids[1], disparities[-1] = 7, 0, 0
    return {
        f"leftImg8bit/{frame}_leftImg8bit.png": png(photo(1)),
        f"gtFine/{frame}_gtFine_labelIds.png": png(ids),
        f"disparity/{frame}_disparity.png": png(disparities),
    }


def view(building: str = "hanson", point: int = 1, **changed: np.ndarray | None) -> dict[str, bytes]:
    """The files of one point of Taskonomy; a changed domain of None is missing."""
    kinds = {
        "rgb": photo(point), "segmentsemantic": filled(1, np.uint8), "normal": coded((0, 1, 0)),
        "depth_euclidean": filled(511, np.uint16), "keypoints2d": filled(82, np.uint16),
        "edge_texture": filled(65535, np.uint16),
    } | changed  # fmt: skip
    place = f"{building}/point_{point}_view_0_domain"
    return {f"{name}/{place}_{name}.png": png(v) for name, v in kinds.items() if v is not None}


def packed(layout: str, raw: Path, out: Path, size: tuple[int, int] = (4, 6), **options: object) -> Path:
    """The dataset packed, out of archives in `raw`."""
    index = DENSE_LAYOUTS.find(layout)(raw, options)
    packing = Packing(size=size[0], width=size[1], resample="nearest")
    pack_dense(index, raw, packing, out / "packed", out / "scratch", workers=2, title="")
    return out / "packed"
