"""Fine-tuning over whole lists of episodes, in pieces that are kept when a run is killed."""

import copy
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from farfield.backbones.backbone import Backbone
from farfield.backbones.channels import with_channels
from farfield.episodes.sampling import Episodes
from farfield.execution import Executor
from farfield.training.checkpoints import is_part, load_tensors, save_part
from farfield.training.images import evaluation_view
from farfield.transfer.finetuning.engine import fine_tune
from farfield.transfer.finetuning.settings import FineTuning, Readout, check_readouts

CHUNK = {"cpu": 4, "cuda": 64}  # episodes of a piece of work; fixed, so that workers cannot matter


class Cell(NamedTuple):
    """Episodes of packed `images` [n, H, W, c]. scratch: a folder for what is finished of them."""

    images: np.ndarray
    episodes: Episodes
    scratch: Path
    title: str


def fine_tune_episodes(
    backbone: Backbone,
    images: np.ndarray,
    episodes: Episodes,
    settings: FineTuning,
    readouts: Sequence[Readout],
    *,
    image_size: int,
    seed: int,
    device: torch.device,
    executor: Executor,
    scratch: Path,
    title: str,
) -> dict[Readout, np.ndarray]:
    """`fine_tune_cells` of a single cell."""
    [outputs] = fine_tune_cells(
        backbone,
        [Cell(images, episodes, scratch, title)],
        settings,
        readouts,
        image_size=image_size,
        seed=seed,
        device=device,
        executor=executor,
    )
    return outputs


def fine_tune_cells(
    backbone: Backbone,
    cells: Sequence[Cell],
    settings: FineTuning,
    readouts: Sequence[Readout],
    *,
    image_size: int,
    seed: int,
    device: torch.device,
    executor: Executor,
) -> Iterator[dict[Readout, np.ndarray]]:
    """`fine_tune` over all episodes of each cell, one cell after the other; arrays as it returns them.

    Chunks of episodes of all cells run where `executor` says, those of later cells while earlier ones are looked
    at; the result has the same bytes wherever that is. Finished chunks are kept by this process in the cell's
    `scratch` and found again by a run with the same backbone, settings, seed and rows. The pixels are not
    compared: give every version of a dataset a folder of its own.
    """
    check_readouts(readouts)
    channels = {cell.images.shape[3] for cell in cells}
    task = _Task(
        {count: copy.deepcopy(with_channels(backbone, count)).eval().cpu() for count in channels},
        tuple(cell.images for cell in cells),
        settings,
        tuple(readouts),
        image_size,
        seed,
        device,
    )
    size = CHUNK.get(device.type, CHUNK["cuda"])
    chunks = [
        [
            _Chunk(number, folder, start, cell.episodes.rows[start : start + size], cell.episodes.shot)
            for start in range(0, len(cell.episodes.rows), size)
        ]
        for number, (cell, folder) in enumerate(zip(cells, task.folders(cells), strict=True))
    ]
    missing = [[chunk for chunk in mine if not is_part(chunk.file)] for mine in chunks]
    finished = executor.map(task, [chunk for mine in missing for chunk in mine], _keep)
    for cell, mine, left in zip(cells, chunks, missing, strict=True):
        done = len(cell.episodes.rows) - sum(len(chunk.rows) for chunk in left)
        with tqdm(
            total=len(cell.episodes.rows), initial=done, desc=cell.title, unit="episode", file=sys.stderr
        ) as progress:
            for _ in left:
                progress.update(next(finished))
        parts = [load_tensors(chunk.file)[0] for chunk in mine]
        yield {name: np.concatenate([part[name].numpy() for part in parts]) for name in readouts}


@dataclass(frozen=True)
class _Chunk:
    """Episodes from number `first` on: rows int32 [E, way, shot + query]; their readouts go to `file`.

    cell: its number among the task's.
    """

    cell: int
    folder: Path
    first: int
    rows: np.ndarray
    shot: int

    @property
    def file(self) -> Path:
        digest = hashlib.sha256(json.dumps([self.rows.tolist(), self.shot]).encode()).hexdigest()
        return self.folder / f"{self.first:05d}-{digest[:16]}.safetensors"


def _keep(chunk: _Chunk, readouts: dict[str, np.ndarray]) -> int:
    """The number of its episodes."""
    save_part(chunk.file, {name: torch.tensor(values) for name, values in readouts.items()})
    return len(chunk.rows)


@dataclass(frozen=True)
class _Task:
    """The readouts of a chunk. backbones: by the number of channels. images: of each cell."""

    backbones: dict[int, Backbone]
    images: tuple[np.ndarray, ...]
    settings: FineTuning
    readouts: tuple[Readout, ...]
    image_size: int
    seed: int
    device: torch.device
    carries_all: ClassVar[bool] = True  # what it reads comes with it, and it writes nothing

    def folders(self, cells: Sequence[Cell]) -> list[Path]:
        """For each cell, named by a hash of all that decides the numbers, except rows and pixels."""
        facts = [asdict(self.settings), self.readouts, self.image_size, self.seed, self.device.type]
        weights = {
            channels: [
                (name.encode(), tensor.contiguous().numpy().tobytes())
                for name, tensor in backbone.state_dict().items()
            ]
            for channels, backbone in self.backbones.items()
        }
        folders = []
        for cell in cells:
            digest = hashlib.sha256(json.dumps([*facts, cell.images.shape]).encode())
            for name, values in weights[cell.images.shape[3]]:
                digest.update(name + values)
            folders.append(cell.scratch / digest.hexdigest()[:16])
        return folders

    def __call__(self, chunk: _Chunk) -> dict[str, np.ndarray]:
        images = self.images[chunk.cell]
        rows = torch.from_numpy(images[chunk.rows]).to(self.device)
        pixels = evaluation_view(rows.flatten(0, 2), self.image_size).unflatten(0, rows.shape[:3])
        out = fine_tune(
            self.backbones[images.shape[3]].to(self.device),
            pixels[:, :, : chunk.shot],
            pixels[:, :, chunk.shot :].flatten(1, 2),
            self.settings,
            self.readouts,
            seed=self.seed,
            first=chunk.first,
        )
        # Arrays, since torch would hand tensors to another process in shared memory.
        return {str(name): tensor.cpu().numpy() for name, tensor in out.items()}
