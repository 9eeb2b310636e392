"""From a row of the study to a classifier of all of a user's images, for `commands.evaluate`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from farfield.backbones import build
from farfield.backbones.backbone import Backbone
from farfield.deployment.classifier import ImageClassifier
from farfield.deployment.description import Description
from farfield.deployment.fitting import fit_network
from farfield.episodes.minibatches import affordable_epochs
from farfield.metalearning import META_LEARNERS
from farfield.networks.embedding import embed, feature_columns
from farfield.own.images import OwnImages
from farfield.training.devices import resident
from farfield.transfer.feature_learners import FEATURE_LEARNERS, feature_learner
from farfield.transfer.learner import AllImages, Head
from farfield.transfer.readouts import READOUTS, readout_learner
from stages.frame.models import load_network
from stages.frame.params import Params
from stages.frame.schema.fewshot import Adaptation, FewShot, FrozenRow
from stages.metatest import load_networks, nearest

Exported = tuple[ImageClassifier, dict[str, Any]]
# Most steps of a fit: no more than in an episode of 5 ways and 50 shots, 100 epochs of 63 minibatches, which at
# 224 px are about four hours of one CPU core, and with 10,000 images would be a week.
NETWORK_STEPS = 6_300


def exportable(fewshot: FewShot, row: str) -> bool:
    """Whether the row classifies each image by itself, with one backbone and one head, as its learner
    says."""
    if row in fewshot.viewed:
        return False
    if row in fewshot.meta:
        return bool(META_LEARNERS.find(fewshot.meta[row].learner).exportable)
    if row in fewshot.transfer:
        return bool(FEATURE_LEARNERS.find(fewshot.transfer[row].learner).exportable)
    units = [unit for unit in fewshot.finetune.values() if row in unit.rows and unit.settings.single]
    return any(READOUTS.find(unit.rows[row].readout).exportable for unit in units)


@dataclass(frozen=True)
class Fitting:
    """What a fit needs. shot: of the episodes. scratch: an empty folder."""

    params: Params
    own: OwnImages
    shot: int
    device: torch.device
    scratch: Path

    def fit(self, row: str) -> tuple[ImageClassifier, Description]:
        """The classifier of all classes, by the recipe of an exportable row."""
        fewshot = self.params.fewshot
        facts: dict[str, Any]
        shape: dict[str, Any]
        if row in fewshot.meta:
            meta, (classifier, facts) = fewshot.meta[row], self._meta(row)
            shape = {"backbone": meta.backbone, "width": meta.width, "image_size": self.params.image_size}
            card = self.params.card(meta.source)
            seen, licence = card.title, card.licence
        elif row in fewshot.transfer:
            frozen = fewshot.transfer[row]
            shape, seen, licence = self._network(frozen.model)
            classifier, facts = self._frozen(frozen)
        else:
            [unit] = [unit for unit in fewshot.finetune.values() if row in unit.rows]
            shape, seen, licence = self._network(unit.model)
            classifier, facts = self._adapted(unit, row)
        description = Description(
            class_names=self.own.class_names,
            packing=self.params.packing,
            ranges=self.own.ranges,
            **shape,
            scale=classifier.scale,
            facts={
                "method": fewshot.rows[row].title,
                **facts,
                "class_images": self.own.counts,
                "fingerprint": self.own.fingerprint,
                "pretrained_on": seen,
                "licence": f"The weights were first learned from {seen} ({licence}), then fitted to "
                f"your images. The terms of both may bind what is done with them.",
            },
        )
        return classifier.cpu().eval(), description

    def _network(self, name: str) -> tuple[dict[str, Any], str, str]:
        """What a `Description` says of its architecture; what its weights have seen, and their licence."""
        network = self.params.networks.all[name]
        shape = {
            "backbone": network.backbone,
            "width": network.width,
            "image_size": self.params.pixels_of(name),
            "weights_mean": network.mean,
            "weights_std": network.std,
        }
        if name not in self.params.networks.trained:
            return shape, network.pretrained_on or "nothing", network.licence or "no licence stated"
        card = self.params.card(self.params.networks.trained[name].source)
        return shape, card.title, card.licence

    def _meta(self, row: str) -> Exported:
        """On the plain backbone: in evaluation mode feature-wise transformations do nothing."""
        spec, network = self.params.fewshot.meta[row], nearest(load_networks(row), self.shot)
        assert isinstance(network.backbone, Backbone)
        tensors = network.backbone.state_dict()
        backbone = build(spec.backbone, width=spec.width, image_size=self.params.image_size)
        backbone.load_state_dict({name: tensors[name] for name in backbone.state_dict()})
        head, facts = network.export(self._seen_by(backbone, self.params.image_size))
        return ImageClassifier(backbone, head), facts

    def _frozen(self, row: FrozenRow) -> Exported:
        backbone, _, image_size = load_network(row.model)
        learner = feature_learner(row.learner, self.params.seeds.fewshot, row.settings)
        head, facts = learner.export(self._seen_by(backbone, image_size))
        return ImageClassifier(backbone, head), facts

    def _adapted(self, unit: Adaptation, row: str) -> Exported:
        settings, chosen = unit.settings, unit.rows[row]
        epochs = affordable_epochs(settings.epochs, len(self.own.labels), settings.batch_size, NETWORK_STEPS)
        backbone, _, image_size = load_network(unit.model)
        fitted = fit_network(
            backbone,
            self.own.images,
            self.own.labels,
            len(self.own.class_names),
            settings,
            image_size=image_size,
            seed=self.params.seeds.fewshot,
            device=self.device,
            epochs=epochs,
            title=f"fitting {chosen.title} to all images",
        )
        learner = readout_learner(chosen.readout, chosen.settings)
        head, facts = learner.export(self._seen_by(fitted.backbone, image_size, fitted.head))
        facts |= {"epochs": epochs, "epochs_in_episodes": settings.epochs}
        return ImageClassifier(fitted.backbone, head), facts

    def _seen_by(self, backbone: Backbone, image_size: int, head: Head | None = None) -> AllImages:
        classes = len(self.own.class_names)
        return AllImages(lambda: self._features(backbone, image_size), self.own.labels, classes, head)

    def _features(self, backbone: Backbone, size: int) -> Tensor:
        """[n, d] of all images, on the CPU, where the small steps of a head are fastest."""
        path = self.scratch / "features.npy"
        images = resident(self.own.images, self.device)
        embed(backbone, images, path, image_size=size, device=self.device, title="embedding all images")
        backbone.cpu()
        first, last = feature_columns(backbone)["features"]
        return torch.from_numpy(np.load(path, mmap_mode="r")[:, first:last].copy())
