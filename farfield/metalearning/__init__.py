"""Meta-learning: networks trained on episodes of the source, then used on the target as they are."""

from collections.abc import Callable
from typing import Any

from farfield.backbones.backbone import Backbone
from farfield.errors import InputError
from farfield.metalearning.learner import MetaLearner
from farfield.metalearning.maml import MAML
from farfield.metalearning.matchingnet import MatchingNet
from farfield.metalearning.metaopt import MetaOptNet
from farfield.metalearning.protonet import ProtoNet
from farfield.metalearning.relationnet import RelationNet
from farfield.settings import configured

# Name to a function of (backbone, way, settings).
LEARNERS: dict[str, Callable[..., MetaLearner]] = {
    "protonet": ProtoNet,
    "matchingnet": MatchingNet,
    "relationnet": RelationNet,
    "maml": MAML,
    "metaopt_svm": lambda backbone, way, **settings: MetaOptNet(backbone, way, head="svm", **settings),
    "metaopt_ridge": lambda backbone, way, **settings: MetaOptNet(backbone, way, head="ridge", **settings),
}


def meta_learner(name: str, backbone: Backbone, way: int, settings: dict[str, Any]) -> MetaLearner:
    """The learner `name` on `backbone`. InputError if the name or a setting is unknown."""
    if name not in LEARNERS:
        raise InputError(f"there is no meta-learner {name!r}; the meta-learners are {', '.join(LEARNERS)}")
    return configured(LEARNERS[name], name, settings, backbone, way)
