"""Files of targets to arrays, each in the one form in which its task is packed.

| task | packed as | unknown |
|---|---|---|
| segmentation | int16 labels | -1 |
| normals | uint8 [.., 3]: (n + 1) / 2 x 255 of unit normals | 255, 255, 255 |
| depth, keypoints, edges | float32 | NaN |

Normals are in the frame of the camera, with the component to the right first.

Every reader takes the bytes of a file, or an array, and raises UnreadableImageError with the reason.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from farfield.datasets.decoders import UnreadableImageError, read
from farfield.datasets.dense.records import VOID
from farfield.datasets.sources import Data

UNKNOWN: dict[str, float] = {
    "segmentation": VOID,
    "normals": 255,
    "depth": np.nan,
    "keypoints": np.nan,
    "edges": np.nan,
}
DTYPES: dict[str, DTypeLike] = {
    "segmentation": np.int16,
    "normals": np.uint8,
    "depth": np.float32,
    "keypoints": np.float32,
    "edges": np.float32,
}
SHORTEST = 0.5  # a coded normal that is shorter than this is a filler: grey (127, 127, 127) has length 0


def pixels(data: Data) -> np.ndarray:
    """The numbers in a file as it stores them, [h, w] or [h, w, c], palettes as their indices, or the array
    itself."""
    if isinstance(data, np.ndarray):
        return data
    try:
        values = read(data, stored=True).array
    except UnreadableImageError as error:
        reason = str(error)
        raise UnreadableImageError(
            reason if reason.startswith(("damaged", "it holds")) else f"damaged: {reason}"
        ) from error
    return values[..., 0] if values.shape[2] == 1 else values


def plane(data: Data) -> np.ndarray:
    """[h, w] out of a file with one value a pixel; a last axis of length 1 is dropped."""
    values = pixels(data)
    if values.ndim != 2 or values.dtype.kind not in "buif":
        raise UnreadableImageError(f"it holds {values.dtype} {list(values.shape)}, not one number a pixel")
    return values


def labels(data: Data, table: Sequence[int] | np.ndarray | None = None, void: int = 255) -> np.ndarray:
    """int16 labels. table: the label of each value of the file, which must be among them; `void` and -1
    become -1 where there is no table. Whether there are as many classes is for the caller to see."""
    values = plane(data)
    whole = (
        np.where(np.isfinite(values), values, VOID).astype(np.int64) if values.dtype.kind == "f" else values
    )
    if (whole != values).any():
        raise UnreadableImageError(f"label {values[whole != values][0]} is no whole number")
    whole = whole.astype(np.int64)
    if table is None:
        whole = np.where(whole == void, VOID, whole)
        if whole.min(initial=0) < VOID or whole.max(initial=0) > np.iinfo(np.int16).max:
            raise UnreadableImageError(f"labels from {whole.min()} to {whole.max()} are no labels")
        return whole.astype(np.int16)
    known = np.asarray(table, dtype=np.int16)
    outside = (whole < 0) | (whole >= len(known))
    if outside.any():
        raise UnreadableImageError(f"label {whole[outside][0]} is outside the values 0 to {len(known) - 1}")
    return known[whole]


def normals(data: Data) -> np.ndarray:
    """Coded normals; fillers, which are far from unit length, become unknown."""
    values = pixels(data)
    if values.ndim != 3 or values.shape[2] < 3 or values.dtype != np.uint8:
        raise UnreadableImageError(f"it holds {values.dtype} {list(values.shape)}, not three bytes a pixel")
    coded = values[..., :3].copy()
    vector = coded.astype(np.float32) * np.float32(2 / 255) - 1
    coded[(vector * vector).sum(axis=2) < SHORTEST**2] = 255
    return coded


def positive(data: Data, scale: float = 1.0) -> np.ndarray:
    """float32 values x scale; what is not finite or not above 0 is unknown."""
    values = plane(data).astype(np.float32)
    known = np.isfinite(values) & (values > 0)
    return np.where(known, values * np.float32(scale), np.float32(np.nan)).astype(np.float32)


def between(data: Data, top: float) -> np.ndarray:
    """float32: 16-bit values, cut off at `top` of the 65536 that there are, as -1 to 1."""
    share = np.clip(plane(data).astype(np.float32) / np.float32(65536), 0, np.float32(top))
    return share * np.float32(2 / top) - np.float32(1)


def log_depth(data: Data) -> np.ndarray:
    """float32: log(1 + v) / log(2^16) of 16-bit values v in units of 1/512 m; from 64500 on they are unknown."""
    values = plane(data).astype(np.float32)
    logs = np.log1p(values) / np.float32(np.log(65536))
    return np.where(values < 64500, logs, np.float32(np.nan)).astype(np.float32)


def resized(target: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The target at another size [h, w] by its nearest values, those under the centres of the new pixels."""
    places = [
        ((2 * np.arange(new) + 1) * old // (2 * new))
        for old, new in zip(target.shape[:2], shape, strict=True)
    ]
    return target if target.shape[:2] == shape else target[places[0]][:, places[1]]


def known(task: str, target: np.ndarray) -> np.ndarray:
    """bool [..., h, w]: pixels at which the packed target of this task is known."""
    if task == "segmentation":
        return target != VOID
    return (target != 255).any(axis=-1) if task == "normals" else np.isfinite(target)


def facts(task: str, target: np.ndarray) -> dict[str, Any]:
    """What the manifest says about one target: the share of known pixels, and the least and largest value."""
    seen = known(task, target)
    values = target[seen]
    bounds = {"least": float(values.min()), "most": float(values.max())} if values.size else {}
    return {"valid": float(seen.mean()), **bounds}
