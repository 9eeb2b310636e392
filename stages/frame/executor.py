"""Where the independent pieces of a stage's work run, by what this machine says."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from farfield.execution import Executor, Workers
from farfield.local import Local

if TYPE_CHECKING:
    import torch


def executor(local: Local, device: "torch.device") -> AbstractContextManager[Executor]:
    """On the CPU `local.workers` processes of one thread each; on an accelerator this process, which holds it."""
    return Workers(local.workers if device.type == "cpu" else 1)
