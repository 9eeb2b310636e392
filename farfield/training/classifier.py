"""A backbone with a linear classifier on top, and how a source model is pretrained."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.backbones.backbone import Backbone
from farfield.seeds import stream
from farfield.training.distributed import world_size
from farfield.training.loop import LabelledImages, Loss, accuracy, cross_entropy, fit
from farfield.training.recipe import Recipe
from farfield.training.steps import Curve


class Classifier(nn.Module):
    """Linear(feature_dim, outputs) on a backbone; the bias starts at zero (BSCD-FSL)."""

    def __init__(self, backbone: Backbone, outputs: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.feature_dim, outputs)
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Tensor, with_features: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """Logits [n, outputs], and the features [n, d] beside them if they are asked for."""
        features = self.backbone(images)
        logits = self.head(features)
        return (logits, features) if with_features else logits


def spectral_penalty(features: Tensor) -> Tensor:
    """The sum of the squared singular values of a batch of features [n, d], as BSR penalises it (batch spectral
    regularisation, arXiv 2005.08463). That is the squared Frobenius norm: no singular value is computed."""
    return features.float().square().sum()


def penalised(weight: float) -> Loss:
    """Cross-entropy of a `Classifier` plus `weight` times the spectral penalty of the batch's features."""

    def loss(
        network: nn.Module, images: Tensor, targets: Tensor, label_smoothing: float
    ) -> tuple[Tensor, Tensor]:
        logits, features = network(images, with_features=True)
        value = F.cross_entropy(logits, targets, label_smoothing=label_smoothing)
        # A sum over the batch, of which each process sees a share and whose gradients are then averaged.
        return value + weight * world_size() * spectral_penalty(features), logits

    return loss


@dataclass(frozen=True)
class Pretrained:
    """What pretraining leaves: the curve, and accuracies on held-out images in percent."""

    curve: Curve
    validation_accuracy: float | None


def held_out(labels: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """bool [n]: `fraction` of each class (rounded, at least one image if fraction > 0), by seed."""
    keys = stream(seed, "holdout").random(len(labels))
    mask = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels) if fraction > 0 else ():
        rows = np.flatnonzero(labels == label)
        count = max(1, round(fraction * len(rows)))
        mask[rows[np.argsort(keys[rows])[:count]]] = True
    return mask


def pretrain(
    classifier: Classifier,
    images: Tensor,
    rows: np.ndarray,
    labels: np.ndarray,
    recipe: Recipe,
    *,
    holdout: float,
    image_size: int,
    seed: int,
    device: torch.device,
    checkpoint: Path | None = None,
    title: str = "pretraining",
) -> Pretrained:
    """Train on the images at `rows` (uint8 [N, H, W, 3]) with class indices `labels` [n].

    `holdout` is the fraction of each class that is kept out of training to measure validation
    accuracy after each epoch; 0, the published protocol, trains on everything and measures nothing.
    """
    mask = held_out(labels, holdout, seed)
    parts = [
        LabelledImages(images, torch.from_numpy(rows[part]).long(), torch.from_numpy(labels[part]).long())
        for part in (~mask, mask)
    ]

    def validate(network: nn.Module) -> dict[str, float]:
        value = accuracy(network, parts[1], image_size=image_size, device=device)
        return {"validation_accuracy": round(value, 4)}

    curve = fit(
        classifier,
        parts[0],
        recipe,
        image_size=image_size,
        seed=seed,
        device=device,
        loss=penalised(recipe.spectral) if recipe.spectral else cross_entropy,
        validate=validate if holdout > 0 else None,
        checkpoint=checkpoint,
        title=title,
    )
    return Pretrained(curve, curve[-1].get("validation_accuracy") if curve else None)
