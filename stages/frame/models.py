"""Networks of a study, as stage `pretrain` saved them."""

from pathlib import Path

from torch import nn

from farfield.backbones import build
from farfield.backbones.adapters import with_adapters
from farfield.backbones.backbone import Backbone
from farfield.training.checkpoints import load_tensors, subset
from stages.frame import paths


def model_file(study: str, model: str) -> Path:
    return paths.PIPELINES / study / "models" / f"{model}.safetensors"


def load_backbone(model: str) -> Backbone:
    """A source model of the few-shot study."""
    return load_network("fewshot", model)[0]


def load_network(study: str, model: str) -> tuple[Backbone, nn.Linear | None]:
    """The backbone, and the head that it was trained with if it has one."""
    tensors, architecture = load_tensors(model_file(study, model))
    adapters = architecture.pop("adapters", "none")
    backbone = build(architecture.pop("backbone"), **architecture)
    if adapters != "none":
        with_adapters(backbone, adapters, seed=0)  # their weights are read below
    backbone.load_state_dict(subset(tensors, "backbone."))
    weights = subset(tensors, "head.")
    if not weights:
        return backbone, None
    outputs, features = weights["weight"].shape
    head = nn.Linear(features, outputs)
    head.load_state_dict(weights)
    return backbone, head
