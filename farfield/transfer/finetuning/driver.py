"""Fine-tuning over whole lists of episodes, in pieces that are kept when a run is killed."""

import copy
import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from farfield.backbones.backbone import Backbone
from farfield.backbones.channels import with_channels
from farfield.episodes.sampling import Episodes
from farfield.errors import InputError
from farfield.execution import Executor
from farfield.training.checkpoints import load_tensors, save_tensors
from farfield.training.images import evaluation_view
from farfield.transfer.finetuning.engine import fine_tune
from farfield.transfer.finetuning.settings import FineTuning, Readout, check_readouts

CHUNK = {"cpu": 4, "cuda": 64}  # episodes of a piece of work; fixed, so that workers cannot matter


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
    """`fine_tune` over all `episodes` of the packed `images` [n, H, W, c]; arrays as it returns them.

    Chunks of episodes run where `executor` says; the result has the same bytes wherever that is. Finished
    chunks are kept in the folder `scratch` and found again by a run with the same backbone, settings,
    seed and rows. The pixels are not compared: give every version of a dataset a folder of its own.
    """
    check_readouts(readouts)
    task = _Task(
        copy.deepcopy(with_channels(backbone, images.shape[3])).eval().cpu(),
        _Images(images),
        settings,
        tuple(readouts),
        image_size,
        seed,
        device,
    )
    size = CHUNK.get(device.type, CHUNK["cuda"])
    folder = scratch / task.identity()
    chunks = [
        _Chunk(folder, start, episodes.rows[start : start + size], episodes.shot)
        for start in range(0, len(episodes.rows), size)
    ]
    missing = [chunk for chunk in chunks if not chunk.is_kept()]
    done = len(episodes.rows) - sum(len(chunk.rows) for chunk in missing)
    with tqdm(
        total=len(episodes.rows), initial=done, desc=title, unit="episode", file=sys.stderr
    ) as progress:
        for count in executor.map(task, missing):
            progress.update(count)
    parts = [load_tensors(chunk.file)[0] for chunk in chunks]
    return {name: np.concatenate([part[name].numpy() for part in parts]) for name in readouts}


@dataclass(frozen=True)
class _Chunk:
    """Episodes from number `first` on: rows int32 [E, way, shot + query]; their readouts go to `file`."""

    folder: Path
    first: int
    rows: np.ndarray
    shot: int

    @property
    def file(self) -> Path:
        digest = hashlib.sha256(json.dumps([self.rows.tolist(), self.shot]).encode()).hexdigest()
        return self.folder / f"{self.first:05d}-{digest[:16]}.safetensors"

    def is_kept(self) -> bool:
        """Whether its readouts are there, whole; what was damaged since is computed anew."""
        try:
            load_tensors(self.file)
        except FileNotFoundError:
            return False
        except InputError as error:
            print(f"computed anew: {error}", file=sys.stderr)
            return False
        return True


@dataclass(frozen=True)
class _Images:
    """Packed images that travel to another process as the name of their file, where they have one."""

    array: np.ndarray

    def __reduce__(self) -> tuple[Callable[..., "_Images"], tuple[object, ...]]:
        a = self.array
        if isinstance(a, np.memmap) and a.filename is not None and a.flags.c_contiguous:
            return _opened, (str(a.filename), a.dtype.str, a.offset, a.shape)
        return _Images, (np.ascontiguousarray(a),)


def _opened(path: str, dtype: str, offset: int, shape: tuple[int, ...]) -> _Images:
    return _Images(np.memmap(path, dtype, "r", offset, shape))


@dataclass(frozen=True)
class _Task:
    """Writes the readouts of a chunk and returns its number of episodes."""

    backbone: Backbone
    images: _Images
    settings: FineTuning
    readouts: tuple[Readout, ...]
    image_size: int
    seed: int
    device: torch.device

    def identity(self) -> str:
        """A hash of all that decides the numbers, except rows and pixels."""
        facts = [asdict(self.settings), self.readouts, self.image_size, self.seed, self.device.type]
        digest = hashlib.sha256(json.dumps([*facts, self.images.array.shape]).encode())
        for name, tensor in self.backbone.state_dict().items():
            digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def __call__(self, chunk: _Chunk) -> int:
        rows = torch.from_numpy(self.images.array[chunk.rows]).to(self.device)
        pixels = evaluation_view(rows.flatten(0, 2), self.image_size).unflatten(0, rows.shape[:3])
        out = fine_tune(
            self.backbone.to(self.device),
            pixels[:, :, : chunk.shot],
            pixels[:, :, chunk.shot :].flatten(1, 2),
            self.settings,
            self.readouts,
            seed=self.seed,
            first=chunk.first,
        )
        save_tensors(chunk.file, {str(name): tensor for name, tensor in out.items()})
        return len(chunk.rows)
