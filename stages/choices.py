"""Whether the parameters name what the code has. It only refuses: nothing that a stage computes hangs on it."""

from stages.params import Params
from stages.schema.multitask import changed


def check_choices(params: Params) -> None:
    """InputError if a name or setting is unknown to the code that a stage would hand it to, hours later."""
    from farfield.backbones import build
    from farfield.datasets.layouts import find_dense_layout, find_layout
    from farfield.datasets.procedural import Recipe
    from farfield.datasets.procedural.scenes import SceneRecipe
    from farfield.metalearning import meta_learner
    from farfield.metalearning.fwt import feature_wise_transform
    from farfield.multitask.methods import build_method
    from farfield.multitask.methods.network import NetworkSettings
    from farfield.settings import configured
    from farfield.spottune.registry import method
    from farfield.transfer.ensembles.settings import IMS
    from farfield.transfer.feature_learners import feature_learner
    from farfield.transfer.linear_head import HeadTraining
    from farfield.transfer.nearest_centroid import NearestCentroid

    for card in params.datasets.values():
        (find_dense_layout if card.role == "multitask" else find_layout)(card.layout)
        if card.generator:
            kind = SceneRecipe if card.role == "multitask" else Recipe
            kind.from_section(card.generator)
    for model in params.fewshot.models.values():
        build(model.backbone, width=1, image_size=params.image_size)
    fewshot = params.fewshot
    for row in fewshot.meta.values():
        backbone = build(row.backbone, width=4, image_size=params.image_size)
        if row.transform != "none":
            feature_wise_transform(backbone)
        meta_learner(row.learner, backbone, fewshot.way, row.settings)
    for study in params.finetuning.values():
        for network in (*study.networks.values(), *study.weights.values()):
            build(network.backbone, width=4, image_size=params.image_size)
        for training in study.methods.values():
            method(training.method, 0, training.settings)
    for name, study in params.adashare.studies.items():
        narrow = NetworkSettings(study.network.backbone, width=4, head_mid=4)
        for row in params.adashare.baselines.values():
            if row.method != "constant":
                build_method(row.method, dict.fromkeys(study.tasks, 2), narrow, **row.settings)
        for key, search in params.adashare.searches.items():
            changed(study.search, search.changes, f"adashare.searches.{key}, {name}")
    for row in fewshot.transfer.values():
        feature_learner(row.learner, params.seeds.transfer, row.settings)
    kinds = {"centroid": NearestCentroid, "ims": IMS, "all_embeddings": HeadTraining}
    for unit in fewshot.finetune.values():
        for key, row in unit.rows.items():
            configured(kinds.get(row.readout, dict), f"the finetune row {key}", row.settings)
    for unit in fewshot.ensemble.values():
        for key, row in unit.rows.items():
            configured(kinds[row.combine], f"the ensemble row {key}", row.settings)
