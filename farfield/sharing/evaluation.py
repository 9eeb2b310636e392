"""What a multi-task network scores on a set of images, and what it says of some of them."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from farfield.sharing.augmentation import evaluation_view
from farfield.sharing.dense import DenseImages
from farfield.sharing.objective import Objective
from farfield.sharing.tasks import Task
from farfield.sharing.tasks.resolution import to_target
from farfield.training.devices import autocast
from farfield.training.recipe import Precision


@torch.inference_mode()
def evaluate(
    network: nn.Module,
    data: DenseImages,
    tasks: Mapping[str, Task],
    *,
    device: torch.device,
    batch_size: int = 32,
    precision: Precision = "float32",
) -> dict[str, dict[str, float]]:
    """{task: {metric: value}} over all images, at the size of the targets.

    InputError if a task has no known pixel in them.
    """
    network.to(device).eval()
    meters = {name: task.meter() for name, task in tasks.items()}
    for index in torch.arange(len(data)).split(batch_size):
        images, targets = evaluation_view(*data.batch(index, device))
        with autocast(device, precision):
            predictions = network(images)
        for name, meter in meters.items():
            meter.update(predictions[name].float(), targets[name])
    return {name: meter.compute() for name, meter in meters.items()}


@torch.inference_mode()
def objective_value(
    network: nn.Module,
    data: DenseImages,
    objective: Objective,
    *,
    device: torch.device,
    batch_size: int = 32,
    precision: Precision = "float32",
) -> float:
    """sum_k lambda_k L_k, the mean over images: what training lowers, on images that it does not see."""
    network.to(device).eval()
    total = torch.zeros((), dtype=torch.float64, device=device)
    for index in torch.arange(len(data)).split(batch_size):
        images, targets = evaluation_view(*data.batch(index, device))
        with autocast(device, precision):
            predictions = network(images)
        losses = objective.losses(predictions, targets)
        total += len(index) * (losses @ objective.lambdas(device))
    return float(total) / len(data)


@torch.inference_mode()
def predictions(
    network: nn.Module, data: DenseImages, index: Sequence[int], *, device: torch.device
) -> dict[str, Tensor]:
    """The prediction [m, C, H, W] of each task for the images at positions `index` of `data`, on the CPU
    and enlarged to the size of the images."""
    network.to(device).eval()
    images, _ = evaluation_view(*data.batch(torch.tensor(index), device))
    return {name: to_target(maps.float(), images.shape[-2:]).cpu() for name, maps in network(images).items()}
