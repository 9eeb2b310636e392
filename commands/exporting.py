"""From a row of the study to a classifier of all of a user's images, for `commands.evaluate`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from commands.own_images import OwnImages
from farfield.backbones import build
from farfield.backbones.backbone import Backbone
from farfield.backbones.embedding import embed, feature_columns
from farfield.deployment.classifier import Description, ImageClassifier, load_classifier, save_classifier
from farfield.deployment.fitting import affordable_epochs, class_means, fit_head, fit_network
from farfield.deployment.onnx_export import export_onnx
from farfield.errors import InputError
from farfield.files import atomic_folder
from farfield.training.devices import resident
from farfield.training.images import evaluation_view
from farfield.transfer.linear_head import HeadTraining
from farfield.transfer.nearest_centroid import NearestCentroid
from stages.frame.models import load_backbone
from stages.frame.params import Params
from stages.frame.schema.fewshot import Adaptation, FewShot, FrozenRow
from stages.metatest import load_networks, nearest

# Most steps of a fit. A network takes no more than in an episode of 5 ways and 50 shots: 100 epochs of 63
# minibatches, which at 224 px are about four hours of one CPU core, and with 10,000 images would be a
# week. Steps of a head take half a millisecond.
HEAD_STEPS, NETWORK_STEPS = 30_000, 6_300


def exportable(fewshot: FewShot, row: str) -> bool:
    """Whether the row classifies each image by itself, with one backbone and a linear or cosine head."""
    if row in fewshot.meta:
        return fewshot.meta[row].learner == "protonet"
    readouts = [unit.rows[row].readout for unit in fewshot.finetune.values() if row in unit.rows]
    return row in fewshot.transfer or readouts in (["head"], ["centroid"])


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

    def _meta(self, row: str) -> tuple[ImageClassifier, dict[str, Any]]:
        """On the plain backbone: in evaluation mode feature-wise transformations do nothing."""
        spec, network = self.params.fewshot.meta[row], nearest(load_networks(row), self.shot)
        assert isinstance(network.backbone, Backbone)
        tensors = network.backbone.state_dict()
        backbone = build(spec.backbone, width=spec.width, image_size=self.params.image_size)
        backbone.load_state_dict({name: tensors[name] for name in backbone.state_dict()})
        return self._means(backbone, NearestCentroid()), {}

    def _frozen(self, row: FrozenRow) -> tuple[ImageClassifier, dict[str, Any]]:
        backbone = load_backbone(row.model)
        if row.learner == "nearest_centroid":
            return self._means(backbone, NearestCentroid(**row.settings)), {}
        training, count = HeadTraining(**row.settings), len(self.own.labels)
        epochs = affordable_epochs(training.epochs, count, training.batch_size, HEAD_STEPS)
        seed, classes = self.params.seeds.fewshot, len(self.own.class_names)
        head = fit_head(self._features(backbone), self.own.labels, classes, training, seed, epochs)
        return ImageClassifier(backbone, head), {"epochs": epochs, "epochs_in_episodes": training.epochs}

    def _adapted(self, unit: Adaptation, row: str) -> tuple[ImageClassifier, dict[str, Any]]:
        settings, chosen = unit.settings, unit.rows[row]
        epochs = affordable_epochs(settings.epochs, len(self.own.labels), settings.batch_size, NETWORK_STEPS)
        classifier = fit_network(
            load_backbone(unit.model),
            self.own.images,
            self.own.labels,
            len(self.own.class_names),
            settings,
            image_size=self.params.pixels_of(unit.model),
            seed=self.params.seeds.fewshot,
            device=self.device,
            epochs=epochs,
            title=f"fitting {chosen.title} to all images",
        )
        if chosen.readout == "centroid":
            classifier = self._means(classifier.backbone, NearestCentroid(**chosen.settings))
        return classifier, {"epochs": epochs, "epochs_in_episodes": settings.epochs}

    def _means(self, backbone: Backbone, by: NearestCentroid) -> ImageClassifier:
        means = class_means(self._features(backbone), self.own.labels, len(self.own.class_names), by)
        return ImageClassifier(backbone, means)

    def _features(self, backbone: Backbone) -> Tensor:
        """[n, d] of all images, on the CPU, where the small steps of a head are fastest."""
        path = self.scratch / "features.npy"
        images = resident(self.own.images, self.device)
        size = self.params.image_size
        embed(backbone, images, path, image_size=size, device=self.device, title="embedding all images")
        backbone.cpu()
        first, last = feature_columns(backbone)["features"]
        return torch.from_numpy(np.load(path, mmap_mode="r")[:, first:last].copy())


def require_free(folder: Path) -> None:
    """InputError if a folder of another kind would be replaced."""
    if folder.exists() and not (folder / "classifier.json").exists():
        raise InputError(f"{folder} exists and holds no classifier.json; move it away or give another OUT=.")


def write_classifier(
    folder: Path, classifier: ImageClassifier, description: Description, images: np.ndarray
) -> None:
    """Write the folder of a classifier and its ONNX graph. What was written is read back, and must give
    the same logits for a few of the packed images."""
    with atomic_folder(folder) as partial:
        save_classifier(partial, classifier, description)
        again, _ = load_classifier(partial)
        sample = evaluation_view(torch.from_numpy(images[:8].copy()), description.image_size)
        with torch.inference_mode():
            if not torch.allclose(again(sample), classifier(sample), rtol=1e-4, atol=1e-4):
                raise InputError(f"{folder}: what was written answers differently; is the disk damaged?")
        export_onnx(partial / "model.onnx", again, description)
