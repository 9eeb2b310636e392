"""Everything that is needed to build a meta-learner; stands in the header of its file of weights."""

from dataclasses import dataclass
from typing import Any, Literal

from farfield.backbones import build
from farfield.metalearning import meta_learner
from farfield.metalearning.fwt import feature_wise_transform
from farfield.metalearning.learner import MetaLearner

Transform = Literal["none", "fwt", "learned_fwt"]


@dataclass(frozen=True)
class Architecture:
    """learner, settings: as of `farfield.metalearning.meta_learner`. transform: the feature-wise one.
    backbone, width, image_size: as of `farfield.backbones.build`."""

    learner: str
    settings: dict[str, Any]
    transform: Transform
    backbone: str
    width: int
    image_size: int
    way: int

    def build(self) -> MetaLearner:
        """The learner with random weights."""
        backbone = build(self.backbone, width=self.width, image_size=self.image_size)
        if self.transform != "none":
            feature_wise_transform(backbone, learned=self.transform == "learned_fwt")
        return meta_learner(self.learner, backbone, self.way, self.settings)
