"""Several processes on one training run, started by `torchrun`; with one process nothing changes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, distributed, nn


@contextmanager
def process_group(device: torch.device) -> Iterator[torch.device]:
    """Join the group that torchrun announces in the environment, if it does; yield this rank's device."""
    if "RANK" not in os.environ:
        yield device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield device
    finally:
        distributed.destroy_process_group()


def rank() -> int:
    return distributed.get_rank() if distributed.is_initialized() else 0


def world_size() -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1


def parallel(network: nn.Module, device: torch.device) -> nn.Module:
    """`network` with averaged gradients. On accelerators BatchNorm sees the whole batch of all ranks,
    as it does in one process; on the CPU, where torch has no such layer, each rank sees its share."""
    if world_size() == 1:
        return network
    if device.type == "cuda":
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        return nn.parallel.DistributedDataParallel(network, device_ids=[device.index])
    return nn.parallel.DistributedDataParallel(network)


def total(values: Tensor) -> Tensor:
    """The sum over ranks."""
    if world_size() > 1:
        distributed.all_reduce(values)
    return values


def barrier() -> None:
    if world_size() > 1:
        distributed.barrier()
