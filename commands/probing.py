"""The classifier of all of a user's classes: candidates, the error of the one that is written, and the fit.

For `commands.evaluate`. Networks that are given with their weights in a package need no pipeline to have run.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from tabulate import tabulate
from torch import Tensor

from commands.own_images import OwnImages
from farfield.backbones import build
from farfield.backbones.backbone import Backbone
from farfield.datasets.cards import Packing
from farfield.deployment.classifier import Description, ImageClassifier
from farfield.errors import InputError
from farfield.networks.weights import load_packaged
from farfield.probing.evaluation import Candidate, Tested, fit_all, joined, parts_of, recommended, test
from farfield.probing.features import pixel_blocks, seen_by
from farfield.probing.measures import difference
from farfield.training.images import expect
from farfield.transfer.learner import Head
from stages.frame.params import Params
from stages.frame.schema.networks import Given

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


def wide_packing(spec: Given) -> Packing:
    """Images as the network sees them, squeezed to its size, nothing cut off."""
    return Packing(size=spec.image_size)


def packaged(params: Params) -> tuple[str, Given]:
    """The first network whose weights come with the set-up, and its name. InputError if there is none."""
    for key, spec in params.networks.given.items():
        if spec.package is not None:
            return key, spec
    raise InputError(
        f"networks.given has no network with weights from a package (it has "
        f"{', '.join(params.networks.given) or 'none'}); add one, as conf/network/lite0.yaml, or compare rows of "
        f"the study with METHODS=all"
    )


def load_given(spec: Given) -> Backbone:
    assert spec.package is not None
    backbone = build(spec.backbone, width=spec.width, image_size=spec.image_size)
    load_packaged(backbone, spec.package.name, spec.package.file, spec.package.sha256)
    if spec.mean and spec.std:
        expect(backbone, spec.mean, spec.std)
    return backbone


def probe(
    own: OwnImages, name: str, backbone: Backbone, image_size: int, device: torch.device, seed: int
) -> Probes:
    """Every candidate on images left out, in the order of their cost. name: of the network."""
    begin = time.perf_counter()
    blocks = {f"image.{key}": block for key, block in pixel_blocks(own.images).items()}
    plain = (time.perf_counter() - begin) / len(own.labels)
    begin = time.perf_counter()
    seen = seen_by(backbone, own.images, image_size, device)
    blocks |= {f"{name}.{key}": block for key, block in seen.items()}
    cost = (time.perf_counter() - begin) / len(own.labels)
    parts = parts_of(own.labels, None, seed)
    candidates = [Candidate(key, title, (f"image.{key}",), plain) for key, title in PLAIN.items()]
    both = (f"{name}.features", f"{name}.stages")
    candidates += [
        Candidate(name, f"{name}, its features", both[:1], cost),
        Candidate(f"{name}_stages", f"{name}, its features and stages", both, cost),
    ]
    tested = tuple(test(candidate, blocks, own.labels, parts) for candidate in candidates)
    networks = [one for one in tested if one.candidate.key not in PLAIN]
    return Probes(own, blocks, tested, recommended(networks), parts)


def fitted(probes: Probes, name: str, spec: Given, backbone: Backbone) -> tuple[ImageClassifier, Description]:
    """The chosen candidate fitted to all images, with the temperature that left-out images ask for."""
    own, chosen = probes.own, probes.chosen
    weight, bias = fit_all(joined(probes.blocks, chosen.candidate.blocks), own.labels)
    measures = chosen.measures
    head = Head(weight / measures.temperature, bias / measures.temperature)
    inside = tuple(block.partition(".")[2] for block in chosen.candidate.blocks)
    description = Description(
        class_names=own.class_names,
        image_size=spec.image_size,
        packing=wide_packing(spec),
        backbone=spec.backbone,
        width=spec.width,
        scale=None,
        weights_mean=spec.mean,
        weights_std=spec.std,
        blocks=inside,
        facts={
            "method": f"logistic regression on {chosen.candidate.title}",
            "accuracy": round(measures.accuracy, 2),
            "accuracy_ci95": round(measures.ci95, 2),
            "balanced_accuracy": round(measures.balanced, 2),
            "temperature": round(measures.temperature, 4),
            "class_images": own.counts,
            "fingerprint": own.fingerprint,
            "pretrained_on": spec.pretrained_on,
            "licence": f"The weights of {name} are under {spec.licence}; the head was fitted to your images.",
        },
    )
    return ImageClassifier(backbone, head, inside).cpu().eval(), description


def most_frequent(own: OwnImages) -> float:
    """The accuracy of naming always the largest class, in percent."""
    return 100 * max(own.counts.values()) / len(own.labels)


def answer(probes: Probes, spec: Given) -> list[str]:
    """The first paragraphs of report.md: what the classifier that is written does on images it has not seen."""
    own, chosen = probes.own, probes.chosen
    measures = chosen.measures
    frequent = most_frequent(own)
    plain = max(
        (one for one in probes.tested if one.candidate.key in PLAIN), key=lambda one: one.right.mean()
    )
    gap, half = difference(chosen.right, plain.right)
    beaten = gap > half and measures.accuracy - measures.ci95 > frequent
    first = (
        f"**The classifier in `classifier/` names {measures.accuracy:.1f} ± {measures.ci95:.1f} % of new images "
        f"correctly**, balanced over classes {measures.balanced:.1f} %; always saying the largest class is "
        f"right in {frequent:.1f} %."
    )
    if not beaten:
        first = (
            f"**No network beats plain pixels on these images** ({plain.candidate.title}: "
            f"{plain.measures.accuracy:.1f} %). {first}"
        )
    rows = [
        (
            one.candidate.title,
            f"{one.measures.accuracy:.1f} ± {one.measures.ci95:.1f} %",
            f"{one.measures.balanced:.1f} %",
            f"{one.measures.macro_f1:.1f} %",
            f"{one.candidate.cost:.2g}",
            _against(chosen, one),
        )
        for one in sorted(probes.tested, key=lambda one: -one.measures.accuracy)
    ]
    headers = ["classifier", "accuracy", "balanced", "macro F1", "seconds an image", "minus the one written"]
    recall = [
        (name, count, f"{value:.1f} %")
        for (name, count), value in zip(own.counts.items(), measures.recall, strict=True)
    ]
    return [
        first,
        f"It is {chosen.candidate.title} (pretrained on {spec.pretrained_on}) under logistic regression, the "
        f"cheapest network that these images do not tell from the most accurate. Every image was asked of "
        f"classifiers that had not learned from it: {len(np.unique(probes.parts[0]))} parts, {len(probes.parts)} "
        f"times. The interval is for the accuracy on half as many new images of the same kind; images that "
        f"belong together, as of one patient, make it too good.",
        tabulate(rows, headers, tablefmt="github", disable_numparse=True),
        f"Its logits are divided by a temperature of {measures.temperature:.2f}: the expected calibration error "
        f"is {measures.ece_calibrated:.1f} points, {measures.ece:.1f} without.",
        tabulate(recall, ["class", "images", "found again"], tablefmt="github", disable_numparse=True),
    ]


def _against(chosen: Tested, one: Tested) -> str:
    if one is chosen:
        return ""
    gap, half = difference(one.right, chosen.right)
    return f"{gap:+.1f} ± {half:.1f}"


def table(probes: Probes) -> pd.DataFrame:
    """evaluation.csv: a row a candidate, the best first."""
    rows = [
        {
            "classifier": one.candidate.key,
            "title": one.candidate.title,
            "accuracy": one.measures.accuracy,
            "ci95": one.measures.ci95,
            "balanced_accuracy": one.measures.balanced,
            "macro_f1": one.measures.macro_f1,
            "ece": one.measures.ece_calibrated,
            "seconds_an_image": one.candidate.cost,
            "written": one is probes.chosen,
        }
        for one in probes.tested
    ]
    return pd.DataFrame(rows).sort_values("accuracy", ascending=False, kind="stable", ignore_index=True)
