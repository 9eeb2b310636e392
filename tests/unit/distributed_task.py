"""A training that torchrun can share out: `torchrun --nproc-per-node=2 distributed_task.py OUT`."""

import sys
from pathlib import Path

import numpy as np
import torch

from farfield.training.checkpoints import save_tensors
from farfield.training.distributed import process_group, rank
from farfield.training.loop import LabelledImages, fit
from farfield.training.recipe import Recipe


def coloured_squares(count=60, size=20):
    """uint8 [count, size, size, 3] of three classes that differ in their strongest channel."""
    random = np.random.default_rng(0)
    labels = np.arange(count) % 3
    images = random.integers(0, 120, (count, size, size, 3), dtype=np.uint8)
    images[np.arange(count), :, :, labels] += 100
    return images, labels


def train_squares(out: Path) -> None:
    """A linear classifier of 61 images in batches of 12; the first process writes it, with its curve."""
    images, labels = coloured_squares(61)
    with process_group(torch.device("cpu")) as device:
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 3))
        data = LabelledImages(torch.from_numpy(images), torch.arange(61), torch.from_numpy(labels))
        curve = fit(network, data, Recipe(epochs=2, batch_size=12), image_size=16, seed=0, device=device)
        if rank() == 0:
            save_tensors(out, network.state_dict(), {"curve": curve})


if __name__ == "__main__":
    train_squares(Path(sys.argv[1]))
