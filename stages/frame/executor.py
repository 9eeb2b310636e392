"""Where the independent pieces of a stage's work run, by what this machine says."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from farfield.errors import InputError
from farfield.execution import Executor, Workers
from farfield.local import Local
from farfield.training.devices import choose_device
from stages.frame.finished import is_sealed, reopen

if TYPE_CHECKING:
    import torch

VISIBLE = 60.0  # seconds after which storage that several nodes share shows what another one wrote


class Piece(Protocol):
    """A training, and the folder that it leaves sealed."""

    @property
    def folder(self) -> Path: ...


OnePiece = TypeVar("OnePiece", bound=Piece)


def device_of(local: Local) -> "torch.device":
    """On which pieces of work compute: of this machine, or of the nodes of its cluster."""
    if local.cluster is None:
        return choose_device(local.device)
    from farfield.cluster import device_of_nodes

    return device_of_nodes(local.cluster, local.device)


def executor(
    local: Local, device: "torch.device", processes: int | None = None
) -> AbstractContextManager[Executor]:
    """The nodes of `local.cluster`; without one `processes` of one thread each, by default `local.workers` on the
    CPU, and on an accelerator this process, which holds it."""
    if local.cluster is None:
        return Workers(processes or (local.workers if device.type == "cpu" else 1))
    from farfield.ray_workers import RayWorkers

    return RayWorkers(local.cluster, "cpu" if device.type == "cpu" else "cuda", local.gpu_share)


def train_missing(elsewhere: Executor, train: Callable[[OnePiece], None], pieces: Sequence[OnePiece]) -> None:
    """Train those whose folder is not sealed; each leaves it where all that run them can see it."""
    missing = [piece for piece in pieces if not is_sealed(piece.folder)]
    for piece in missing:
        reopen(piece.folder)
    for _ in elsewhere.map(train, missing, _seen):
        pass


def _seen(piece: Piece, _: None) -> None:
    until = time.monotonic() + VISIBLE
    while not is_sealed(piece.folder):
        if time.monotonic() > until:
            raise InputError(f"what another node has trained does not show up here: {piece.folder}")
        time.sleep(0.1)
