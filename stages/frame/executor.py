"""Where the independent pieces of a stage's work run, by what this machine says."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, TypeVar

from farfield.errors import InputError
from farfield.execution import Executor, Workers
from farfield.local import Local
from farfield.training.devices import choose_device

if TYPE_CHECKING:
    import torch

VISIBLE = 60.0  # seconds after which storage that several nodes share shows what another one wrote


class Piece(Protocol):
    """A training, whose files say whether it is done."""

    @property
    def done(self) -> bool: ...


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
    from farfield.cluster import RayWorkers

    return RayWorkers(local.cluster, "cpu" if device.type == "cpu" else "cuda", local.gpu_share)


def train_missing(elsewhere: Executor, train: Callable[[OnePiece], None], pieces: Sequence[OnePiece]) -> None:
    """Train those that are not done; each leaves files where all that run them can see them."""
    for _ in elsewhere.map(train, [piece for piece in pieces if not piece.done], _seen):
        pass


def _seen(piece: Piece, _: None) -> None:
    until = time.monotonic() + VISIBLE
    while not piece.done:
        if time.monotonic() > until:
            raise InputError(f"what another node has trained does not show up here: {piece}")
        time.sleep(0.1)
