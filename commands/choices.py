"""Whether the parameters name what the code has. It only refuses: nothing that a stage computes hangs on it."""

from stages.frame.params import Params
from stages.frame.schema.sharing import changed


def check_choices(params: Params) -> None:
    """InputError if a name or setting is unknown to the code that a stage would hand it to, hours later."""
    from farfield.backbones import build
    from farfield.datasets.layouts import find_dense_layout, find_layout
    from farfield.datasets.procedural import Recipe
    from farfield.datasets.procedural.scenes import SceneRecipe
    from farfield.metalearning import meta_learner
    from farfield.metalearning.fwt import feature_wise_transform
    from farfield.settings import configured
    from farfield.sharing.methods import build_method
    from farfield.sharing.methods.network import NetworkSettings
    from farfield.sharing.objective import Objective
    from farfield.sharing.protocol import FIXED
    from farfield.sharing.tasks import make_tasks
    from farfield.sharing.weighting import build_weighting
    from farfield.transfer.ensembles import ENSEMBLES
    from farfield.transfer.feature_learners import feature_learner
    from farfield.transfer.readouts import READOUTS
    from farfield.tuning.registry import method

    for card in params.datasets.values():
        (find_dense_layout if card.role == "sharing" else find_layout)(card.layout)
        if card.generator:
            kind = SceneRecipe if card.role == "sharing" else Recipe
            kind.from_section(card.generator)
    for name, network in params.networks.all.items():
        build(network.backbone, width=4, image_size=params.pixels_of(name))
    fewshot = params.fewshot
    for meta in fewshot.meta.values():
        backbone = build(meta.backbone, width=4, image_size=params.image_size)
        if meta.transform != "none":
            feature_wise_transform(backbone)
        meta_learner(meta.learner, backbone, fewshot.way, meta.settings)
    for tuned in params.tuning.values():
        for training in tuned.methods.values():
            method(training.method, 0, training.settings)
    for name, study in params.sharing.studies.items():
        narrow = NetworkSettings(study.network.backbone, width=4, head_mid=4)
        losses: dict[str, float] = {str(task): weight for task, weight in study.tasks.items()}
        objective = Objective(make_tasks(study.kind, [*losses], 2, FIXED), losses)
        for baseline in params.sharing.baselines.values():
            if baseline.method != "constant":
                tasks: dict[str, int] = dict.fromkeys(study.tasks, 2)
                build_method(baseline.method, tasks, narrow, **baseline.settings)
                weighting = baseline.weighting
                build_weighting(weighting.name, objective, 0, **weighting.settings)
        for key, search in params.sharing.searches.items():
            changed(study.search, search.changes, f"sharing.searches.{key}, {name}")
    for frozen in fewshot.transfer.values():
        feature_learner(frozen.learner, params.seeds.fewshot, frozen.settings)
    for adapted in fewshot.finetune.values():
        for key, readout in adapted.rows.items():
            configured(READOUTS.find(readout.readout), f"the finetune row {key}", readout.settings)
    for ensemble in fewshot.ensemble.values():
        for key, combined in ensemble.rows.items():
            given = {"seed": 0, "stage_dims": ()}
            configured(ENSEMBLES.find(combined.combine), f"the ensemble row {key}", given | combined.settings)
