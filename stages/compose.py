"""Write params.yaml from conf/: `python -m stages.compose profile=mini fewshot.episodes=200`.

The same composition that `dvc exp run -S profile=mini` makes, without running anything.
"""

import sys
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from farfield.errors import InputError
from farfield.files import atomic_file
from stages.leftovers import prune_undeclared
from stages.params import Params, check_params, load_params
from stages.schema.multitask import changed


def composed(overrides: list[str], conf: Path = Path("conf")) -> str:
    """The text of params.yaml for these overrides. InputError if they do not compose or are not valid."""
    try:
        with initialize_config_dir(str(conf.resolve()), version_base=None):
            config = compose("config", overrides=overrides)
        OmegaConf.resolve(config)
        text = OmegaConf.to_yaml(config)
        values = OmegaConf.to_container(config, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        raise InputError(
            f"conf/ does not compose with {' '.join(overrides) or 'no override'}: {error}"
        ) from error
    check_choices(check_params(values, "the composed configuration"))
    return text


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


def main(overrides: list[str]) -> None:
    text = composed(overrides)
    with atomic_file(Path("params.yaml")) as partial:
        partial.write_text(text, encoding="utf-8")
    prune_undeclared(load_params())


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except InputError as error:
        sys.exit(f"error: {error}")
