"""Classes of very many images: batches of them are read and classified on the nodes of a cluster."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from farfield.datasets.decoders import UnreadableImageError
from farfield.deployment.classifier import ImageClassifier, load_classifier
from farfield.deployment.description import Description
from farfield.execution import Executor
from farfield.own.prediction import BATCH, Form, as_learned, said


@dataclass(frozen=True)
class Batch:
    """Lines on a batch of images, and what is wrong with those that cannot be read.

    classifier: its folder, which like the images is on storage that the nodes share.
    """

    classifier: Path
    form: Form
    device: torch.device

    def __call__(self, paths: Sequence[Path]) -> tuple[str, list[str]]:
        network, description = _loaded(self.classifier, self.device)
        readable, problems = [], []
        for path in paths:
            try:
                readable.append((path, as_learned(path.read_bytes(), description)))
            except (UnreadableImageError, OSError) as error:
                problems.append(f"{path}: {error}")
        if not readable:
            return "", problems
        images = torch.from_numpy(np.stack([image for _, image in readable])).to(self.device)
        lines = said(network, description, [str(path) for path, _ in readable], images)
        return "".join(one.line(self.form) for one in lines), problems


@lru_cache(maxsize=1)
def _loaded(classifier: Path, device: torch.device) -> tuple[ImageClassifier, Description]:
    network, description = load_classifier(classifier)
    network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network, description


def predicted(
    executor: Executor, classifier: Path, paths: Sequence[Path], form: Form, device: torch.device
) -> Iterator[tuple[str, list[str]]]:
    """Lines and problems of each batch, in the order of the paths. The batches are those of one process."""
    batches = [paths[start : start + BATCH] for start in range(0, len(paths), BATCH)]
    return executor.map(Batch(classifier.resolve(), form, device), batches)
