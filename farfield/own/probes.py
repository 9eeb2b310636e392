"""The classifier of all of a user's classes: candidates, the error of the one that is written, and the fit."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from farfield.backbones.backbone import Backbone
from farfield.datasets.cards import Packing
from farfield.deployment.classifier import Description, ImageClassifier
from farfield.networks.cards import NetworkCard
from farfield.own.images import OwnImages
from farfield.probing.evaluation import Candidate, Tested, fit_all, joined, parts_of, recommended, test
from farfield.probing.features import pixel_blocks, seen_by
from farfield.transfer.learner import Head

PLAIN = {
    "pixels": "logistic regression on raw pixels",
    "colours": "logistic regression on colours",
    "hog": "logistic regression on HOG",
}


@dataclass(frozen=True)
class Probes:
    """What was tried. tested: all candidates. chosen: of those that can be written as one network. parts: how
    images were left out."""

    own: OwnImages
    blocks: Mapping[str, Tensor]
    tested: tuple[Tested, ...]
    chosen: Tested
    parts: np.ndarray


def wide_packing(card: NetworkCard) -> Packing:
    """Images as the network sees them, squeezed to its size, nothing cut off."""
    return Packing(size=card.image_size)


def probe(own: OwnImages, card: NetworkCard, backbone: Backbone, device: torch.device, seed: int) -> Probes:
    """Every candidate on images left out, in the order of their cost. backbone: of the card, loaded."""
    name = card.name
    begin = time.perf_counter()
    blocks = {f"image.{key}": block for key, block in pixel_blocks(own.images).items()}
    plain = (time.perf_counter() - begin) / len(own.labels)
    begin = time.perf_counter()
    seen = seen_by(backbone, own.images, card.image_size, device)
    blocks |= {f"{name}.{key}": block for key, block in seen.items()}
    cost = (time.perf_counter() - begin) / len(own.labels)
    parts = parts_of(own.labels, None, seed)
    candidates = [Candidate(key, title, (f"image.{key}",), plain) for key, title in PLAIN.items()]
    both = (f"{name}.features", f"{name}.stages")
    candidates.append(Candidate(name, f"{card.title}, its features", both[:1], cost))
    if "stages" in seen:
        candidates.append(Candidate(f"{name}_stages", f"{card.title}, its features and stages", both, cost))
    tested = tuple(test(candidate, blocks, own.labels, parts) for candidate in candidates)
    networks = [one for one in tested if one.candidate.key not in PLAIN]
    return Probes(own, blocks, tested, recommended(networks), parts)


def fitted(probes: Probes, card: NetworkCard, backbone: Backbone) -> tuple[ImageClassifier, Description]:
    """The chosen candidate fitted to all images, with the temperature that left-out images ask for."""
    own, chosen = probes.own, probes.chosen
    weight, bias = fit_all(joined(probes.blocks, chosen.candidate.blocks), own.labels)
    measures = chosen.measures
    head = Head(weight / measures.temperature, bias / measures.temperature)
    inside = tuple(block.rpartition(".")[2] for block in chosen.candidate.blocks)
    description = Description(
        class_names=own.class_names,
        image_size=card.image_size,
        packing=wide_packing(card),
        backbone=card.backbone,
        width=card.width,
        scale=None,
        weights_mean=card.mean,
        weights_std=card.std,
        blocks=inside,
        ranges=own.ranges,
        facts={
            "method": f"logistic regression on {chosen.candidate.title}",
            "accuracy": round(measures.accuracy, 2),
            "accuracy_ci95": round(measures.ci95, 2),
            "balanced_accuracy": round(measures.balanced, 2),
            "temperature": round(measures.temperature, 4),
            "class_images": own.counts,
            "fingerprint": own.fingerprint,
            "pretrained_on": card.pretrained_on,
            "licence": f"The weights of {card.name} are under {card.licence or 'no stated licence'}; the head "
            "was fitted to your images.",
        },
    )
    return ImageClassifier(backbone, head, inside).cpu().eval(), description
