"""Outputs that the parameters no longer declare, such as those of a dropped target or another profile."""

from typing import get_args

from farfield.datasets.cards import Role
from stages import paths
from stages.params import Params


def prune_undeclared(params: Params) -> None:
    """Remove them from every folder that a stage depends on as a whole (see `paths.prune`).

    Done when parameters are composed, DVC finds the folders as they were the last time that these
    parameters ran, and restores results from its cache instead of computing them again.
    """
    fewshot = params.fewshot
    for role in get_args(Role):
        for folder in ("packed", "validated"):
            paths.prune(paths.DATA / folder / role, params.datasets_of(role))
    paths.prune(paths.DATA / "episodes", (f"{name}.npz" for name in fewshot.targets))
    kept = {
        "features": [*fewshot.models],
        "models": [f"{key}.safetensors" for key in fewshot.models],
        "curves": [f"{key}.csv" for key in fewshot.models],
        "training": [f"{key}.json" for key in fewshot.models],
        "choices": [f"{key}.json" for key in fewshot.ensemble],
        "results": [f"{key}.parquet" for key in fewshot.units],
        "meta/curves": [f"{key}.csv" for key in fewshot.meta],
        "meta/training": [f"{key}.json" for key in fewshot.meta],
    }
    for folder, names in kept.items():
        paths.prune(paths.FEWSHOT / folder, names)
