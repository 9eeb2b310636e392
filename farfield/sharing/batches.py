"""The batches of a training by iterations, each a function of its number."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from farfield.errors import InputError
from farfield.seeds import integer_seed, stream
from farfield.sharing.augmentation import augment, draw, evaluation_view
from farfield.sharing.dense import DenseImages
from farfield.sharing.recipe import DenseAugmentation


@dataclass(frozen=True)
class Batches:
    """Batch after batch of shuffled passes over `data`, without end.

    A pass goes on where the one before it ended, if need be in the middle of a batch, so all batches are
    full and no image is left out. key: of the random streams, beside `seed`.
    """

    data: DenseImages
    size: int
    augmentation: DenseAugmentation | None
    seed: int
    key: str

    def __post_init__(self) -> None:
        if len(self.data) == 0:
            raise InputError(
                f"there is no image to train on ({self.key}); give the training set more of them"
            )

    def batch(self, iteration: int, device: torch.device) -> tuple[Tensor, dict[str, Tensor]]:
        """Normalised images [size, 3, h, w] and the targets of each task of batch `iteration`, from 0."""
        images, targets = self.data.batch(self.index(iteration), device)
        if self.augmentation is None:
            return evaluation_view(images, targets)
        generator = torch.Generator().manual_seed(integer_seed(self.seed, self.key, "augment", iteration))
        height, width = images.shape[1:3]
        draws = draw(len(images), height, width, self.augmentation, generator)
        return augment(images, targets, draws, self.data.protocol)

    def index(self, iteration: int) -> Tensor:
        """int64 [size]: positions in `data`."""
        first, count = iteration * self.size, len(self.data)
        passes = range(first // count, (first + self.size - 1) // count + 1)
        order = np.concatenate([_order(self.seed, self.key, number, count) for number in passes])
        begin = first - passes[0] * count
        return torch.from_numpy(order[begin : begin + self.size])


def seed_networks(device: torch.device, seed: int, *key: str | int) -> None:
    """Let what networks draw next, such as dropout, come from the stream of `key`.

    Not by `torch.manual_seed`, which takes half a millisecond where CUDA is not in use.
    """
    value = integer_seed(seed, *key)
    torch.default_generator.manual_seed(value)
    if device.type == "cuda":
        torch.cuda.manual_seed(value)


@lru_cache(maxsize=4)
def _order(seed: int, key: str, number: int, count: int) -> np.ndarray:
    return stream(seed, key, "order", number).permutation(count)
