"""A fitted classifier: a backbone, a head, and what must be known to use them.

On disk it is a folder of two files: classifier.safetensors, the weights, and classifier.json, the
`Description`. Neither can run code when it is loaded.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.backbones import build
from farfield.backbones.backbone import Backbone
from farfield.datasets.cards import Packing
from farfield.errors import InputError
from farfield.files import read_json, write_json
from farfield.probing.features import block_widths, network_blocks
from farfield.training.checkpoints import load_tensors, save_tensors
from farfield.training.images import MEAN, STD, expect
from farfield.transfer.learner import Head

WEIGHTS, DESCRIPTION = "classifier.safetensors", "classifier.json"


def head_logits(features: Tensor, weight: Tensor, bias: Tensor, scale: float | None) -> Tensor:
    """Logits [n, classes] of a `Head` with these parts, from features [n, d]."""
    if scale is None:
        return F.linear(features, weight, bias)
    return scale * F.linear(F.normalize(features, dim=-1), F.normalize(weight, dim=-1))


class ImageClassifier(nn.Module):
    """Normalised images [n, 3, S, S] to logits [n, classes].

    blocks: of `farfield.probing.features.network_blocks`, which the head reads; none: the features as they are.
    mirrored: whether they are means over an image and its mirror image.
    """

    def __init__(
        self, backbone: Backbone, head: Head, blocks: Sequence[str] = (), mirrored: bool = False
    ) -> None:
        super().__init__()
        self.backbone: Backbone = backbone
        self.blocks = tuple(blocks)
        self.mirrored = mirrored
        self.weight = nn.Parameter(head.weight.detach().clone())
        self.bias = nn.Parameter(head.bias.detach().clone())
        self.scale = head.scale

    @property
    def head(self) -> Head:
        return Head(self.weight, self.bias, self.scale)

    def forward(self, images: Tensor) -> Tensor:
        return head_logits(self.features(images), self.weight, self.bias, self.scale)

    def features(self, images: Tensor) -> Tensor:
        if not self.blocks:
            return self.backbone(images)
        found = network_blocks(self.backbone, images, self.blocks, self.mirrored)
        return torch.cat([found[name] for name in self.blocks], dim=1)


@dataclass(frozen=True)
class Description:
    """class_names: by class index, the order of the logits. packing: how a file becomes a square of
    `packing.size` pixels, of which networks see the central `image_size`. backbone, width: as of
    `farfield.backbones.build`. scale: of the head. mean, std: of the normalisation, for pixels in 0..1.
    weights_mean, weights_std: what the weights expect in their place; none: the same. blocks, mirrored: what the
    head reads, as of `ImageClassifier`. ranges: the values of black and white of each kind of file that does not
    state them, as in `datasets.decoders.ranges`; files of the kinds that it was fitted to are shown in these.
    facts: where all of it comes from, for people.
    """

    class_names: tuple[str, ...]
    image_size: int
    packing: Packing
    backbone: str
    width: int
    scale: float | None
    mean: tuple[float, float, float] = MEAN
    std: tuple[float, float, float] = STD
    weights_mean: tuple[float, float, float] | None = None
    weights_std: tuple[float, float, float] | None = None
    blocks: tuple[str, ...] = ()
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    mirrored: bool = False
    facts: dict[str, Any] = field(default_factory=dict)

    def architecture(self) -> Backbone:
        """The backbone with random weights."""
        backbone = build(self.backbone, width=self.width, image_size=self.image_size)
        if self.weights_mean and self.weights_std:
            expect(backbone, self.weights_mean, self.weights_std)
        return backbone


def save_classifier(folder: Path, classifier: ImageClassifier, description: Description) -> None:
    """Write both files into `folder`."""
    save_tensors(folder / WEIGHTS, classifier.state_dict())
    write_json(folder / DESCRIPTION, asdict(description))


def load_classifier(folder: Path) -> tuple[ImageClassifier, Description]:
    """The classifier, in evaluation mode, and its description. InputError if a file is missing or does
    not fit the other, or if the images were normalised in another way than this version does it."""
    for name in (WEIGHTS, DESCRIPTION):
        if not (folder / name).is_file():
            raise InputError(
                f"{folder} holds no {name}; give the folder of a classifier, as `make evaluate` writes it."
            )
    description = _described(folder / DESCRIPTION)
    weights, _ = load_tensors(folder / WEIGHTS)
    backbone = description.architecture()
    classes = len(description.class_names)
    widths = block_widths(backbone)
    width = sum(widths[name] for name in description.blocks or ("features",))
    head = Head(torch.zeros(classes, width), torch.zeros(classes), description.scale)
    classifier = ImageClassifier(backbone, head, description.blocks, description.mirrored)
    try:
        classifier.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(
            f"{folder / WEIGHTS} does not fit {DESCRIPTION} beside it, which describes a {description.backbone} "
            f"of width {description.width} with {classes} classes: {error}"
        ) from error
    return classifier.eval(), description


def _packing(values: dict[str, Any]) -> Packing:
    """As JSON has it, where tuples are lists."""
    given = values | {"channels": tuple(values.get("channels", ()))}
    if given.get("range") is not None:
        low, high = given["range"]
        given["range"] = float(low), float(high)
    return Packing(**given)


def _described(path: Path) -> Description:
    try:
        values = read_json(path)
        values["packing"] = _packing(values["packing"])
        values["ranges"] = {
            kind: (float(low), float(high)) for kind, (low, high) in values.get("ranges", {}).items()
        }
        for name in ("class_names", "mean", "std"):
            values[name] = tuple(values[name])
        values["blocks"] = tuple(values.get("blocks", ()))
        description = Description(**values)
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        names = ", ".join(part.name for part in fields(Description))
        raise InputError(
            f"{path} does not describe a classifier ({error}); it must be a JSON object with {names}."
        ) from error
    if (description.mean, description.std) != (MEAN, STD):
        raise InputError(
            f"{path} normalises with mean {description.mean} and std {description.std}; this version of farfield "
            f"knows {MEAN} and {STD} only. Use the version that wrote the classifier."
        )
    return description
