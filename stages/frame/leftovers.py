"""Outputs that the parameters no longer declare, such as those of a dropped target or another profile."""

import shutil
import sys
from pathlib import Path
from typing import get_args

from farfield.datasets.cards import Role
from stages.frame import paths
from stages.frame.params import Params

# Where datasets lie once they are packed and once they are validated, and in which role.
DATA_FOLDERS: dict[Path, Role] = {
    paths.DATA / kind / role: role for kind in ("packed", "validated") for role in get_args(Role)
}
# What stages that answer episodes depend on as wholes.
ANSWERED_FOLDERS = (paths.EPISODES, paths.PACKED_TARGETS, paths.VALID_TARGETS)


def prune_undeclared(params: Params, *folders: Path) -> None:
    """Remove them from `folders`, or from every folder that a stage depends on as a whole.

    DVC leaves the outputs of a stage that is gone. A stage that depends on the whole folder would mix
    them into its hash and, for some users only, into its result. Whatever is removed is in DVC's cache.
    Done when parameters are composed, DVC finds the folders as they were the last time that these
    parameters ran, and restores results from its cache instead of computing them again.
    """
    declared = declared_outputs(params)
    for folder in folders or declared:
        # Of a stage that runs beside this one there is a half-written output.
        written = {f".{name}.partial" for name in declared[folder]}
        _prune(folder, {*declared[folder], *written, ".gitignore"})


def declared_outputs(params: Params) -> dict[Path, list[str]]:
    """What each folder of outputs holds when nothing but the present parameters ever ran."""
    fewshot = params.fewshot
    data = {folder: params.datasets_of(role) for folder, role in DATA_FOLDERS.items()}
    study = {
        "features": [*fewshot.models],
        "views": [*fewshot.viewed_models],
        "choices": [f"{key}.json" for key in fewshot.ensemble],
        "results": [f"{key}.parquet" for key in fewshot.units],
        "transductive/results": [f"{key}.parquet" for key in fewshot.transductive],
        "meta/curves": [f"{key}.csv" for key in fewshot.meta],
        "meta/training": [f"{key}.json" for key in fewshot.meta],
    }
    return {
        **data,
        paths.NETWORKS / "models": [f"{key}.safetensors" for key in params.networks.all],
        paths.NETWORKS / "training": [f"{key}.json" for key in params.networks.all],
        paths.NETWORKS / "curves": [f"{key}.csv" for key in params.networks.trained],
        **{paths.PIPELINES / name / "results": [*spec.methods] for name, spec in params.tuning.items()},
        paths.INDOMAIN / "features": [*params.indomain.datasets],
        paths.INDOMAIN / "results": [f"{key}.parquet" for key in params.indomain.rows],
        paths.INDOMAIN / "training": [f"{key}.json" for key in params.indomain.rows],
        paths.SHARING / "results": [*params.sharing.rows],
        paths.SHARING / "policies": [*params.sharing.searches],
        paths.EPISODES: [f"{name}.npz" for name in fewshot.targets],
        **{paths.FEWSHOT / folder: names for folder, names in study.items()},
    }


def _prune(folder: Path, kept: set[str]) -> None:
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name not in kept:
            print(f"removing {path}, which the parameters no longer declare", file=sys.stderr)
            # Of a link the link: what it points to belongs to somebody else.
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
