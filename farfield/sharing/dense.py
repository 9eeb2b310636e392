"""Images with a target for each pixel, cut into batches from packed arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from farfield.errors import InputError
from farfield.sharing.protocol import FIXED, Protocol
from farfield.training.devices import resident


@dataclass(frozen=True)
class DenseImages:
    """Some rows of a packed dataset with dense targets.

    images: uint8 [N, H, W, 3], all of them. targets: of each task, as packed: segmentation int16
    [N, H, W], -1 where void; normals uint8 [N, H, W, 3], coded (n + 1) / 2 * 255 and (255, 255, 255)
    where unknown; others float32 [N, H, W], NaN where unknown. rows: int64 [n] into all of these.
    protocol: how targets are read. InputError if a target's size is not that of the images.
    """

    images: Tensor
    targets: dict[str, Tensor]
    rows: Tensor
    protocol: Protocol = FIXED

    def __post_init__(self) -> None:
        expected = tuple(self.images.shape[:3])
        for task, target in self.targets.items():
            if tuple(target.shape[:3]) != expected:
                raise InputError(
                    f"the target {task} has the size {_size(target.shape)}, but the images have "
                    f"{_size(expected)} (number x height x width); pack the dataset again"
                )

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, index: Tensor, device: torch.device) -> tuple[Tensor, dict[str, Tensor]]:
        """uint8 images [b, H, W, 3] and targets at positions `index` of `rows`, on `device`.

        segmentation int64 [b, H, W]; normals float32 [b, 3, H, W], unit vectors; others [b, 1, H, W].
        """
        rows = self.rows[index]

        def part(array: Tensor) -> Tensor:
            return array[rows.to(array.device)].to(device, non_blocking=True)

        targets = {task: self._read(task, part(target)) for task, target in self.targets.items()}
        return part(self.images), targets

    def _read(self, task: str, packed: Tensor) -> Tensor:
        if task == "segmentation":
            labels = packed.long()
            return labels.clamp(min=0) if self.protocol.uncertain == "background" else labels
        if task == "normals":
            return read_normals(packed, self.protocol.normals)
        return packed[:, None]


def read_normals(codes: Tensor, reading: Literal["decoded", "legacy_raw"] = "decoded") -> Tensor:
    """Unit normals float32 [b, 3, H, W] of codes uint8 [b, H, W, 3], NaN where unknown.

    reading: "legacy_raw" takes the bytes themselves for the vector, as AdaShare's NYU v2 loader does.
    """
    unknown = (codes == 255).all(-1, keepdim=True)
    vectors = codes.float()
    if reading == "decoded":
        vectors = vectors * (2 / 255) - 1
    # A raw code of three zeros has no direction: 0 / 0 makes it unknown.
    vectors = vectors / (vectors * vectors).sum(-1, keepdim=True).sqrt()
    return torch.where(unknown, torch.nan, vectors).permute(0, 3, 1, 2).contiguous()


def open_dense(
    folder: Path,
    tasks: Sequence[str],
    rows: Tensor,
    device: torch.device,
    protocol: Protocol = FIXED,
) -> DenseImages:
    """The rows of a packed dataset, with the targets of `tasks`, as memory maps or on an accelerator.

    InputError if the dataset has no such target.
    """

    def array(name: str) -> Tensor:
        path = folder / f"{name}.npy"
        if not path.exists():
            present = sorted(file.stem for file in folder.glob("*.npy") if file.stem != "images")
            raise InputError(
                f"{path} does not exist, so the task {name} cannot be learned; {folder.name} has the targets "
                f"{', '.join(present) or 'none'}"
            )
        return resident(np.load(path, mmap_mode="r"), device)

    return DenseImages(array("images"), {task: array(task) for task in tasks}, rows, protocol)


def _size(shape: Sequence[int]) -> str:
    return " x ".join(str(side) for side in shape[:3])
