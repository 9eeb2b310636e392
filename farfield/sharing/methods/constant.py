"""The best predictor that never looks at the image: what a network must beat to have learned anything."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.errors import InputError
from farfield.sharing.dense import DenseImages
from farfield.sharing.tasks.resolution import to_prediction

STRIDE = 8  # of the networks' predictions


class Constant(nn.Module):
    """Predicts `values` {task: float [C]} at every pixel, at the resolution of the networks."""

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.tasks = tuple(values)
        for task, value in values.items():
            self.register_buffer(task, value.float())

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """{task: [B, C, h, w]} of images [B, 3, H, W]."""
        size = _reduced(images.shape[-2:])
        return {
            task: self.get_buffer(task)[None, :, None, None].expand(len(images), -1, *size)
            for task in self.tasks
        }


def fit_constant(
    data: DenseImages,
    channels: Mapping[str, int],
    class_weights: Sequence[float] | None = None,
    batch_size: int = 16,
) -> Constant:
    """The constant that is best for each task on the training images at the networks' resolution.

    Segmentation: log frequencies of the classes, so that the majority class is given and cross-entropy
    (weighted by `class_weights`, as the loss) is lowest. Normals: the direction of the mean, of the
    highest mean cosine. Others: the median, of the lowest absolute error. channels: {task: of its
    prediction}. InputError if no pixel of a task is known.
    """
    sampled: dict[str, list[Tensor]] = {task: [] for task in channels}
    for index in torch.arange(len(data)).split(batch_size):
        _, targets = data.batch(index, torch.device("cpu"))
        for task, parts in sampled.items():
            parts.append(_known(task, to_prediction(targets[task], _reduced(targets[task].shape[-2:]))))
    return Constant(
        {
            task: _best(task, torch.cat(parts), channels[task], class_weights)
            for task, parts in sampled.items()
        }
    )


def _reduced(size: Sequence[int]) -> tuple[int, int]:
    return -(-size[0] // STRIDE), -(-size[1] // STRIDE)


def _known(task: str, target: Tensor) -> Tensor:
    """Known pixels of a target: classes [n], normals [n, 3] or values [n]."""
    if task == "segmentation":
        return target[target >= 0]
    if task == "normals":
        vectors = target.permute(0, 2, 3, 1)
        return vectors[vectors.isfinite().all(-1)]
    return target[target.isfinite()]


def _best(task: str, known: Tensor, channels: int, class_weights: Sequence[float] | None) -> Tensor:
    if not len(known):
        raise InputError(f"no pixel of {task} is known in the training images, so it cannot be learned")
    if task == "segmentation":
        counts = torch.bincount(known, minlength=channels).double()
        weights = torch.ones(channels) if class_weights is None else torch.tensor(class_weights)
        # One more pixel each: a class that the training images lack still has a finite loss.
        return torch.log((counts + 1) * weights)
    if task == "normals":
        return F.normalize(known.double().mean(0), dim=0)
    return known.median()[None]
