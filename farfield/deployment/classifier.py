"""A fitted classifier: a backbone, a head, and what must be known to use them.

On disk it is a folder of two files: classifier.safetensors, the weights, and classifier.json, the
`Description`. Neither can run code when it is loaded.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.backbones.backbone import Backbone
from farfield.deployment.description import DESCRIPTION, Description, read_description, write_description
from farfield.deployment.familiarity import Familiarity
from farfield.errors import InputError
from farfield.probing.features import block_widths, network_blocks
from farfield.training.checkpoints import load_tensors, save_tensors, subset
from farfield.transfer.learner import Head

WEIGHTS = "classifier.safetensors"
FORMAT = 2  # of the folder; 1 had no sha256 in classifier.json


def head_logits(features: Tensor, weight: Tensor, bias: Tensor, scale: float | None) -> Tensor:
    """Logits [n, classes] of a `Head` with these parts, from features [n, d]."""
    if scale is None:
        return F.linear(features, weight, bias)
    return scale * F.linear(F.normalize(features, dim=-1), F.normalize(weight, dim=-1))


class ImageClassifier(nn.Module):
    """Normalised images [n, 3, S, S] to logits [n, classes].

    blocks: of `farfield.probing.features.network_blocks`, which the head reads; none: the features as they
    are. mirrored: whether they are means over an image and its mirror image. familiar: how far images lie
    from those that it has learned from, if that is known.
    """

    def __init__(
        self,
        backbone: Backbone,
        head: Head,
        blocks: Sequence[str] = (),
        familiar: Familiarity | None = None,
        mirrored: bool = False,
    ) -> None:
        super().__init__()
        self.backbone: Backbone = backbone
        self.blocks = tuple(blocks)
        self.mirrored = mirrored
        self.weight = nn.Parameter(head.weight.detach().clone())
        self.bias = nn.Parameter(head.bias.detach().clone())
        self.scale = head.scale
        self.familiar = familiar

    @property
    def head(self) -> Head:
        return Head(self.weight, self.bias, self.scale)

    def forward(self, images: Tensor) -> Tensor:
        return self.logits(self.features(images))

    def logits(self, features: Tensor) -> Tensor:
        return head_logits(features, self.weight, self.bias, self.scale)

    def features(self, images: Tensor) -> Tensor:
        if not self.blocks:
            return self.backbone(images)
        found = network_blocks(self.backbone, images, self.blocks, self.mirrored)
        return torch.cat([found[name] for name in self.blocks], dim=1)


def save_classifier(folder: Path, classifier: ImageClassifier, description: Description) -> None:
    """Write both files into `folder`."""
    save_tensors(folder / WEIGHTS, classifier.state_dict(), {"format": FORMAT})
    write_description(folder, description, folder / WEIGHTS)


def load_classifier(folder: Path) -> tuple[ImageClassifier, Description]:
    """The classifier, in evaluation mode, and its description. InputError if a file is missing, was changed
    or does not fit the other, or if the images were normalised in another way than this version does it."""
    for name in (WEIGHTS, DESCRIPTION):
        if not (folder / name).is_file():
            raise InputError(
                f"{folder} holds no {name}; give the folder of a classifier, as `farfield evaluate` writes "
                "it."
            )
    weights, facts = load_tensors(folder / WEIGHTS)
    if facts.get("format", 1) > FORMAT:
        raise InputError(f"{folder} was written by a newer version of farfield; use that one.")
    description = read_description(folder, folder / WEIGHTS, checked="format" in facts)
    try:
        backbone = description.architecture()
    except InputError as error:
        raise InputError(f"{folder / DESCRIPTION}: {error}") from error
    classes = len(description.class_names)
    widths = block_widths(backbone)
    width = sum(widths[name] for name in description.blocks or ("features",))
    head = Head(torch.zeros(classes, width), torch.zeros(classes), description.scale)
    kept = subset(weights, "familiar.")
    familiar = Familiarity(**kept) if kept else None
    classifier = ImageClassifier(backbone, head, description.blocks, familiar, description.mirrored)
    try:
        classifier.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(
            f"{folder / WEIGHTS} does not fit {DESCRIPTION} beside it, which describes a "
            f"{description.backbone} of width {description.width} with {classes} classes: {error}"
        ) from error
    return classifier.eval(), description
