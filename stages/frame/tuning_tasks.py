"""The tasks of a fine-tuning study: which packed images are for training, and which for the test."""

from typing import NamedTuple

import numpy as np
import torch

from farfield.datasets.packed import in_splits, load_images, load_manifest
from farfield.errors import InputError
from farfield.seeds import integer_seed
from farfield.training.classifier import held_out
from farfield.training.devices import resident
from farfield.training.loop import LabelledImages
from stages.frame import paths
from stages.frame.params import Params


class TaskData(NamedTuple):
    train: LabelledImages
    test: LabelledImages
    classes: int


def task_data(params: Params, study: str, name: str, device: torch.device) -> TaskData:
    """InputError if a split is empty, or the test has a class that training lacks."""
    task = params.tuning[study].tasks[name]
    packed = paths.packed(task.dataset, params.card(task.dataset))
    manifest = load_manifest(packed)
    images = resident(load_images(packed), device)
    train, test = (
        in_splits(manifest, wanted, f"{study}.tasks.{name}.{key}", task.dataset)
        for key, wanted in (("train", task.train), ("test", task.test))
    )
    labels = manifest["label"].to_numpy()
    seed = integer_seed(params.seeds.tuning, study, name)
    if not task.test:
        test = _part(train, labels, task.holdout, seed)
        train = train & ~test
    if task.share < 1:
        train = _part(train, labels, task.share, seed)
    classes = np.unique(labels[train])
    if unknown := set(labels[test]) - set(classes):
        names = manifest.drop_duplicates("label").set_index("label")["class_name"]
        raise InputError(
            f"{study}.tasks.{name}: the class {names[min(unknown)]} of {task.dataset} is in the test and not "
            f"in training, so that no network can name it"
        )

    def part(mask: np.ndarray) -> LabelledImages:
        rows = manifest["row"].to_numpy()[mask]
        targets = np.searchsorted(classes, labels[mask])
        return LabelledImages(images, torch.from_numpy(rows).long(), torch.from_numpy(targets).long())

    return TaskData(part(train), part(test), len(classes))


def _part(mask: np.ndarray, labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    """bool [n]: a share of each class among the images of `mask`."""
    chosen = np.zeros_like(mask)
    chosen[mask] = held_out(labels[mask], share, seed)
    return chosen
