"""Source models, as stage `pretrain` saved them."""

from farfield.backbones import build
from farfield.backbones.backbone import Backbone
from farfield.training.checkpoints import load_tensors, subset
from stages import paths


def load_backbone(model: str) -> Backbone:
    tensors, architecture = load_tensors(paths.FEWSHOT / "models" / f"{model}.safetensors")
    backbone = build(architecture.pop("backbone"), **architecture)
    backbone.load_state_dict(subset(tensors, "backbone."))
    return backbone
