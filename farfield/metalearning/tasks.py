"""Tasks: the episodes that a meta-learner is trained on, as augmented images."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from farfield.datasets.packed import load_images, load_manifest
from farfield.episodes.sampling import Episodes, sample_episodes
from farfield.seeds import integer_seed, stream
from farfield.training.augmentation import augment, draw
from farfield.training.devices import resident
from farfield.training.images import evaluation_view
from farfield.training.recipe import Recipe

Batch = tuple[Tensor, Tensor]  # support [E, way, shot, 3, H, W] and query [E, way * query, 3, H, W]


@dataclass(frozen=True)
class Domain:
    """Images that episodes are drawn from, such as one split of a dataset.

    images: uint8 [N, H, W, 3], all of the dataset; or float [N, d], what a network that stays as it is says
    of them. rows: int [n] into images. labels: int [n]."""

    name: str
    images: Tensor
    rows: np.ndarray
    labels: np.ndarray

    @cached_property  # asked for in every step of training
    def classes(self) -> np.ndarray:
        """The labels that it has, rising."""
        return np.unique(self.labels)

    def episodes(self, *, way: int, shot: int, query: int, episodes: int, seed: int) -> Episodes:
        """Episodes of rows of `images`. InputError if too few classes have shot + query images."""
        drawn = sample_episodes(
            self.labels, way=way, shot=shot, query=query, episodes=episodes, seed=seed, name=self.name
        )
        return replace(drawn, rows=self.rows[drawn.rows].astype(np.int32))

    def small_episodes(self, *, way: int, shot: int, query: int, episodes: int, seed: int) -> Episodes | None:
        """The same with fewer queries a class if `way` classes have no more; None if they have none."""
        sizes = np.sort(np.unique(self.labels, return_counts=True)[1])[::-1]
        query = min(query, int(sizes[way - 1]) - shot) if len(sizes) >= way else 0
        if query < 1 or episodes < 1:
            return None
        return self.episodes(way=way, shot=shot, query=query, episodes=episodes, seed=seed)


def load_domains(packed: Path, device: torch.device) -> dict[str, Domain]:
    """The domain of each split of a packed dataset; they share its images, on `device` if they fit."""
    images, manifest = resident(load_images(packed), device), load_manifest(packed)
    return {
        str(split): Domain(
            f"{packed.name} ({split})", images, part["row"].to_numpy(), part["label"].to_numpy()
        )
        for split, part in manifest.groupby("split")
    }


@dataclass(frozen=True)
class Tasks:
    """Training tasks, and how their images are prepared.

    key: of the random numbers of all tasks, which add their own number to it. fewest: shots of an episode,
    drawn from `fewest` to those of the list; 0: always these."""

    domain: Domain
    episodes: Episodes
    recipe: Recipe
    image_size: int
    device: torch.device
    seed: int
    key: tuple[str | int, ...]
    fewest: int = 0

    def steps(self) -> Iterator[tuple[float, range]]:
        """The time in the epoch, from 0 to 1, and the tasks of each optimizer step."""
        count, size = len(self.episodes.rows), self.recipe.batch_size
        starts = range(0, count, size)
        for step, start in enumerate(starts):
            yield step / len(starts), range(start, min(start + size, count))

    def parts(self, tasks: range) -> list[range]:
        """The tasks of a step that are answered at once: images one by one, of which an episode fills
        memory, and all of those on features."""
        return [tasks] if self.domain.images.ndim == 2 else [range(task, task + 1) for task in tasks]

    def batch(self, tasks: range) -> Batch:
        """Support and query images of these tasks, augmented as the recipe says."""
        images = torch.stack([self._images(task) for task in tasks])  # [E, way, shot + query, 3, H, W]
        most = shot = self.episodes.shot
        if self.fewest:
            shot = int(stream(self.seed, "shot", *self.key, tasks.start).integers(self.fewest, most + 1))
        return images[:, :, :shot], images[:, :, most:].flatten(1, 2)

    def classes(self, tasks: range) -> Tensor:
        """int64 [E, way]: the place of each way's class among those of the domain."""
        places = np.searchsorted(self.domain.classes, self.episodes.classes[tasks.start : tasks.stop])
        return torch.from_numpy(places).to(self.device)

    def base_batch(self, step: int, size: int) -> tuple[Tensor, Tensor]:
        """`size` images of the domain, augmented, and the places of their classes [size] among those of
        it."""
        drawn = stream(self.seed, "base", *self.key, step).integers(0, len(self.domain.rows), size)
        places = np.searchsorted(self.domain.classes, self.domain.labels[drawn])
        pixels = self._prepared(self.domain.rows[drawn], ("base", step))
        return pixels, torch.from_numpy(places).to(self.device)

    def _images(self, task: int) -> Tensor:
        rows = self.episodes.rows[task]
        return self._prepared(rows.reshape(-1), (task,)).unflatten(0, rows.shape)

    def _prepared(self, rows: np.ndarray, key: tuple[str | int, ...]) -> Tensor:
        """Images [n, 3, H, W] at `rows`, or features [n, d]; key: of what augmentation draws."""
        index = torch.from_numpy(rows).long().to(self.domain.images.device)
        images = self.domain.images[index].to(self.device, non_blocking=True)
        if images.ndim == 2:
            return images
        if self.recipe.augmentation is None:
            return evaluation_view(images, self.image_size)
        generator = torch.Generator().manual_seed(integer_seed(self.seed, "augment", *self.key, *key))
        height, width = images.shape[1:3]
        settings = self.recipe.augmentation
        draws = draw(len(images), height, width, self.image_size, settings, generator)
        return augment(images, draws, self.image_size, settings.crop)
