"""Networks, as the stages `pretrain` and `weights` saved them."""

from pathlib import Path
from typing import NamedTuple

from torch import nn

from farfield.backbones import build
from farfield.backbones.backbone import Backbone
from farfield.backbones.channels import with_channels
from farfield.networks.adapters import with_adapters
from farfield.training.checkpoints import load_tensors, subset
from farfield.training.images import expect
from stages.frame import paths


def model_file(model: str) -> Path:
    return paths.NETWORKS / "models" / f"{model}.safetensors"


class Loaded(NamedTuple):
    """head: that it was trained with, if it has one. image_size: pixels that it sees, across and down."""

    backbone: Backbone
    head: nn.Linear | None
    image_size: int


def load_network(model: str) -> Loaded:
    tensors, facts = load_tensors(model_file(model))
    adapters = facts.get("adapters", "none")
    backbone = build(facts["backbone"], width=facts["width"], image_size=facts["image_size"])
    backbone = with_channels(backbone, facts.get("channels", 3))
    if adapters != "none":
        with_adapters(backbone, adapters, seed=0)  # their weights are read below
    backbone.load_state_dict(subset(tensors, "backbone."))
    if facts.get("mean"):
        expect(backbone, facts["mean"], facts["std"])
    weights = subset(tensors, "head.")
    if not weights:
        return Loaded(backbone, None, facts["image_size"])
    outputs, features = weights["weight"].shape
    head = nn.Linear(features, outputs)
    head.load_state_dict(weights)
    return Loaded(backbone, head, facts["image_size"])
