"""The classifier of all of a user's classes: candidates, the error of the one that is written, and the
fit."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from farfield.backbones.backbone import Backbone
from farfield.datasets.cards import Packing
from farfield.deployment.classifier import ImageClassifier
from farfield.deployment.description import Description, Sets
from farfield.deployment.familiarity import familiarity
from farfield.networks.cards import NetworkCard
from farfield.own.advice import leak_sentence
from farfield.own.given_split import on_test_split
from farfield.own.images import OwnImages
from farfield.probing.diagnosing import diagnose
from farfield.probing.diagnosis import Diagnosis, Estimate, Scores
from farfield.probing.duplicates import groups_of_names
from farfield.probing.evaluation import (
    Candidate,
    Tested,
    fit_all,
    joined,
    of_network,
    parts_of,
    recommended,
    test,
)
from farfield.probing.features import pixel_blocks, seen_by
from farfield.probing.trying import Skipped, reason, try_candidates
from farfield.transfer.learner import Head
from farfield.version import installed_version

PLAIN = {
    "pixels": "logistic regression on raw pixels",
    "colours": "logistic regression on colours",
    "hog": "logistic regression on HOG",
}


@dataclass(frozen=True)
class Probes:
    """What was tried. tested: all candidates. chosen: of those that can be written as one network. parts: how
    images were left out. why: chosen, in a sentence. groups: int [n] from 0, of images that stand on one
    side; none: each by itself. diagnosis: of the chosen one. split: its accuracy on the split test, if the labels
    have one."""

    own: OwnImages
    blocks: Mapping[str, Tensor]
    tested: tuple[Tested, ...]
    skipped: tuple[Skipped, ...]
    chosen: Tested
    why: str
    parts: np.ndarray
    groups: np.ndarray | None
    diagnosis: Diagnosis
    split: Estimate | None

    @property
    def features(self) -> Tensor:
        """[n, d], what the chosen one learns from."""
        return joined(self.blocks, self.chosen.candidate.blocks)

    @property
    def scores(self) -> Scores:
        return self.diagnosis.scores


def wide_packing(card: NetworkCard) -> Packing:
    """Images as the network sees them, squeezed to its size, nothing cut off."""
    return Packing(size=card.image_size)


def probe(
    own: OwnImages,
    card: NetworkCard,
    backbone: Backbone,
    device: torch.device,
    seed: int,
    groups: np.ndarray | None = None,
    limit: float | None = None,
) -> Probes:
    """Every candidate on images left out, in the order of their cost. backbone: of the card, loaded. limit:
    seconds for those with the network, of which one is tried in any case."""
    name, labels = card.name, own.labels
    parts = parts_of(labels, groups, seed)
    begin = time.process_time()
    blocks = {f"image.{key}": block for key, block in pixel_blocks(own.images).items()}
    plain = (time.process_time() - begin) / len(labels)
    begin = time.process_time()
    seen = seen_by(backbone, own.images, card.image_size, device)
    blocks |= {f"{name}.{key}": block for key, block in seen.items()}
    cost = (time.process_time() - begin) / len(labels)
    simple = [Candidate(key, title, (f"image.{key}",), plain) for key, title in PLAIN.items()]
    tested = [test(candidate, blocks, labels, parts) for candidate in simple]
    candidates = [
        one
        for one in of_network(name, cost, card.title)
        if {block.rpartition(".")[2] for block in one.blocks} <= set(seen)
    ]

    def blocks_of(candidate: Candidate) -> Mapping[str, Tensor]:
        if not set(candidate.blocks) <= set(blocks):
            twice = seen_by(backbone, own.images, card.image_size, device, plain=seen)
            blocks.update({f"{name} mirrored.{key}": block for key, block in twice.items()})
        return blocks

    networks, skipped = try_candidates(
        candidates, blocks_of, labels, parts, float("inf") if limit is None else limit, groups
    )
    chosen = recommended(networks, groups)
    diagnosis = diagnose(
        own.images,
        blocks[f"{name}.features"],
        labels,
        chosen,
        parts,
        seed,
        groups,
        groups_of_names(own.paths, labels) if groups is None else None,
    )
    return Probes(
        own,
        blocks,
        (*tested, *networks),
        tuple(skipped),
        chosen,
        reason(networks, chosen, groups),
        parts,
        groups,
        diagnosis,
        on_test_split(own, chosen.candidate, blocks),
    )


def fitted(
    probes: Probes, card: NetworkCard, backbone: Backbone, seed: int
) -> tuple[ImageClassifier, Description]:
    """The chosen candidate fitted to all images, with the temperature that left-out images ask for."""
    own, chosen, diagnosis = probes.own, probes.chosen, probes.diagnosis
    features, scores, sets = probes.features, probes.scores, diagnosis.sets
    weight, bias = fit_all(chosen.basis, own.labels)
    head = Head(weight / scores.temperature, bias / scores.temperature)
    inside = tuple(block.rpartition(".")[2] for block in chosen.candidate.blocks)
    metrics = {"accuracy": scores.accuracy, "balanced_accuracy": scores.balanced, "macro_f1": scores.macro_f1}
    doubt = diagnosis.doubt
    apart = {"accuracy_of_other_things": {"percent": round(doubt.together, 2)}} if doubt else {}
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
        mirrored=chosen.candidate.mirrored,
        ranges=own.ranges,
        bands=own.bands,
        band_ranges=own.band_ranges,
        sets=Sets(sets.stated, tuple(round(float(least), 6) for least in sets.thresholds)),
        facts={
            "method": f"logistic regression on {chosen.candidate.title}",
            "networks": [card.name],
            "accuracy": round(doubt.together if doubt else scores.accuracy.value, 2),
            "doubts": [leak_sentence(leak) for leak in diagnosis.doubts],
            "metrics": {
                **apart,
                **{key: percent(one) for key, one in metrics.items()},
                "expected_calibration_error": {"percent": round(scores.ece_calibrated, 2)},
                "prediction_set_coverage": percent(sets.coverage),
            },
            "recall": recalls(own, scores),
            "temperature": round(scores.temperature, 4),
            "class_images": own.counts,
            "groups": diagnosis.groups,
            "fingerprint": own.fingerprint,
            "pretrained_on": card.pretrained_on,
            "licence": f"The weights of {card.name} are under {card.licence or 'no stated licence'}; the head "
            "was fitted to your images.",
            "farfield": installed_version(),
        },
    )
    known = familiarity(features, probes.parts[0], seed)
    return ImageClassifier(backbone, head, inside, description.mirrored, known).cpu().eval(), description


def recalls(own: OwnImages, scores: Scores) -> dict[str, dict[str, float]]:
    """By class, as of `percent`."""
    found = zip(own.class_names, scores.recall.tolist(), strict=True)
    return {name: percent(Estimate(*row)) for name, row in found}


def percent(one: Estimate) -> dict[str, float]:
    return {"percent": round(one.value, 2), "low": round(one.low, 2), "high": round(one.high, 2)}
