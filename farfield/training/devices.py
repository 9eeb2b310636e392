"""Where tensors live and in which precision they are multiplied."""

import contextlib
import os
import warnings
from contextlib import AbstractContextManager

import numpy as np
import torch
from torch import Tensor

from farfield.errors import InputError
from farfield.training.recipe import Precision


def choose_device(name: str = "auto") -> torch.device:
    """`auto` takes CUDA if torch finds it, else the CPU. InputError if `name` cannot be used here."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {name!r} cannot be used here: {error}. Try `auto` or `cpu`.") from error
    return device


def deterministic(threads: int = 1) -> None:
    """Ask torch for the same bytes from the same numbers. Call it before the first use of a device.

    threads: on the CPU, unless OMP_NUM_THREADS is set; 0 leaves them alone. One by default: sums in another
    order round differently, a machine's number of cores must not decide results, and stages run side by
    side can have the cores.
    """
    if threads and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # As torch.use_deterministic_algorithms(True, warn_only=True), which would also import the compiler.
    torch.set_deterministic_debug_mode("warn")
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Mixed precision for the forward pass and the loss; nothing for float32."""
    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def resident(array: np.ndarray, device: torch.device) -> Tensor:
    """The packed images where batches are cut from them fastest.

    On the CPU that is the memory map itself. On an accelerator they move there whole if they take at
    most half of its free memory, else they stay and each batch is sent.
    """
    with warnings.catch_warnings():  # nothing here writes to images
        warnings.filterwarnings("ignore", message=".*not writable.*")
        tensor = torch.from_numpy(array)
    if device.type == "cuda" and array.nbytes <= torch.cuda.mem_get_info(device)[0] / 2:
        return tensor.to(device)
    return tensor
