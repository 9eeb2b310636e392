"""Surface normals: float targets [B, 3, H, W], unit vectors, NaN where unknown."""

import torch
from torch import Tensor

from farfield.sharing.tasks.means import Mean, known
from farfield.sharing.tasks.resolution import to_target

WITHIN = (11.25, 22.5, 30.0)  # degrees
BIN = 0.01  # degrees; the median is known to half of it
BINS = round(180 / BIN) + 1
SHORTEST = 1e-6  # length of a prediction that still has a direction


def normal_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """1 - mean cosine between prediction and target over the known pixels; 0 if there is none.

    prediction: [B, 3, h, w] of any length.
    """
    cosine, valid = cosines(prediction, target)
    return torch.where(valid, 1 - cosine, 0).sum() / valid.sum().clamp(min=1)


def cosines(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """[B, h, w]: the cosine at each pixel, 0 where the target is unknown, and whether it is known."""
    valid = target.isfinite().all(1)
    direction = torch.where(valid[:, None], target, 0)  # before any arithmetic: 0 * NaN is NaN
    return (_unit(prediction) * direction).sum(1), valid


def angles(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """[B, h, w]: degrees between prediction and target, and whether the target is known.

    By the half angle, tan(theta / 2) = |a - b| / |a + b|: the arc cosine of a float32 near 1 is wrong by
    0.02 degrees.
    """
    valid = target.isfinite().all(1)
    ours, truth = _unit(prediction), torch.where(valid[:, None], target, 0)
    half = torch.atan2(_square(ours - truth).sqrt(), _square(ours + truth).sqrt())
    return torch.rad2deg(2 * half)[:, 0], valid


def _unit(prediction: Tensor) -> Tensor:
    """As `F.normalize`, whose norm over three channels is 20 times slower on a CPU. The clamp bounds the
    gradient where a prediction is zero."""
    vectors = prediction.float()
    return vectors * _square(vectors).clamp(min=SHORTEST**2).rsqrt()


def _square(vectors: Tensor) -> Tensor:
    return (vectors * vectors).sum(1, keepdim=True)


class NormalMeter:
    """Mean and median angle in degrees, and the share of angles within 11.25, 22.5 and 30 in percent.

    The median is read from a histogram of 0.01 degrees a bin, the others are exact.
    """

    def __init__(self) -> None:
        self.mean = Mean("normal")
        self.within = {limit: Mean("normal") for limit in WITHIN}
        self.histogram = torch.zeros(BINS, dtype=torch.int64)

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """prediction: [B, 3, H, W], or a smaller one."""
        angle, valid = angles(to_target(prediction, target.shape[-2:]), target)
        self.mean.update(angle, valid)
        for limit, share in self.within.items():
            share.update((angle <= limit).float(), valid)
        # Unknown pixels fall into one more bin.
        places = torch.where(valid, torch.round(angle / BIN).long().clamp(0, BINS - 1), BINS)
        counts = torch.bincount(places.flatten(), minlength=BINS + 1)[:-1]
        self.histogram = self.histogram.to(counts.device) + counts

    def compute(self) -> dict[str, float]:
        shares = {f"normal_within_{limit:g}": 100 * share.value() for limit, share in self.within.items()}
        return {
            "normal_mean_angle": self.mean.value(),
            "normal_median_angle": self._median(),
            **shares,
        }

    def _median(self) -> float:
        """Mean of the two middle angles, which are one if their number is odd."""
        cumulated = self.histogram.cumsum(0)
        count = int(known(cumulated[-1], "normal"))
        middle = torch.tensor([(count - 1) // 2, count // 2], device=cumulated.device)
        return float(torch.searchsorted(cumulated, middle, right=True).double().mean()) * BIN


class NormalSimilarityMeter:
    """normal_similarity: the mean cosine, which Taskonomy reports; over the pixels of all images, under
    every protocol: AdaShare's code pools the cosines, too (`eval` in its train.py, at 27e6fb5)."""

    def __init__(self) -> None:
        self.similarity = Mean("normal")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """prediction: [B, 3, H, W], or a smaller one."""
        self.similarity.update(*cosines(to_target(prediction, target.shape[-2:]), target))

    def compute(self) -> dict[str, float]:
        return {"normal_similarity": self.similarity.value()}
