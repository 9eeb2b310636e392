"""Meta-learning: networks trained on episodes of the source, then used on the target as they are."""

from typing import Any

from farfield.backbones.backbone import Backbone
from farfield.metalearning.learner import MetaLearner
from farfield.registry import Registry

# Classes called with (backbone, way) and their settings.
META_LEARNERS: Registry[MetaLearner] = Registry(
    "meta-learner",
    __name__,
    {
        "protonet": "ProtoNet",
        "matchingnet": "MatchingNet",
        "relationnet": "RelationNet",
        "maml": "MAML",
        "metaopt_svm": "MetaOptSVM",
        "metaopt_ridge": "MetaOptRidge",
        "meta_lstm": "MetaLSTM",
        "r2d2": "R2D2",
        "tpn": "TPN",
        "snail": "SNAIL",
        "weight_generator": "WeightGenerator",
        "shifted_neurons": "ShiftedNeurons",
        "tadam": "TADAM",
        "parameter_predictor": "ParameterPredictor",
        "leo": "LEO",
        "meta_baseline": "MetaBaseline",
        "rfs": "RFS",
        "reconstruction": "Reconstruction",
    },
)


def meta_learner(name: str, backbone: Backbone, way: int, settings: dict[str, Any]) -> MetaLearner:
    """The learner `name` on `backbone`. InputError if the name or a setting is unknown."""
    return META_LEARNERS.make(name, settings, backbone, way)
