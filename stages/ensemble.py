"""ensemble@<ensemble>: several source models together, to results/<ensemble>.parquet.

The models are adapted to every episode, or stay as they are and their stored features serve. Beside
the results, choices/<ensemble>.json counts which stages and models IMS took.
"""

import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from farfield.datasets.packed import load_images
from farfield.episodes.evaluation import scores
from farfield.episodes.sampling import Episodes
from farfield.execution import Workers
from farfield.files import write_json
from farfield.training.devices import choose_device, deterministic
from farfield.transfer.ensembles.all_embeddings import all_embeddings
from farfield.transfer.ensembles.ims import ims
from farfield.transfer.ensembles.settings import IMS, IMSChoices
from farfield.transfer.finetuning.driver import fine_tune_episodes
from farfield.transfer.linear_head import HeadTraining
from stages import paths
from stages.local import load_local
from stages.models import load_backbone
from stages.params import CombinedRow, load_params
from stages.results import answered, cells, save_results
from stages.run import run

# Of each model: support [E, way, shot, D] and query [E, Q, D], D being all its pooled stages.
Features = tuple[list[Tensor], list[Tensor]]


def main(key: str) -> None:
    params, local = load_params(), load_local()
    paths.prune(paths.FEWSHOT / "features", params.fewshot.models)
    paths.prune(paths.FEWSHOT / "models", (f"{name}.safetensors" for name in params.fewshot.models))
    deterministic()
    device = choose_device(local.device)
    unit = params.fewshot.ensemble[key]
    scratch = paths.scratch(f"ensemble-{key}", unit.model_dump(), paths.DATA / "packed/target")
    backbones = {model: load_backbone(model) for model in unit.models}
    stage_dims = [backbone.stage_dims for backbone in backbones.values()]

    def adapted(dataset: str, shot: int, episodes: Episodes) -> Features:
        images = load_images(paths.packed(dataset, params.card(dataset)))
        outputs = [
            fine_tune_episodes(
                backbone,
                images,
                episodes,
                unit.adapt,
                ["support_stages", "query_stages"],
                image_size=params.image_size,
                seed=params.seeds.transfer,
                device=device,
                workers=workers,
                scratch=scratch / dataset,
                title=f"{model}, {dataset}, {shot} shots",
            )
            for model, backbone in backbones.items()
        ]
        return (
            [torch.from_numpy(output["support_stages"]) for output in outputs],
            [torch.from_numpy(output["query_stages"]) for output in outputs],
        )

    def stored(dataset: str, shot: int, episodes: Episodes) -> Features:
        support, query = [], []
        for model, dims in zip(unit.models, stage_dims, strict=True):
            features = np.load(paths.FEWSHOT / "features" / model / f"{dataset}.npy", mmap_mode="r")
            support.append(torch.from_numpy(features[episodes.support][..., : sum(dims)]))
            query.append(torch.from_numpy(features[episodes.query][..., : sum(dims)]))
        return support, query

    tables, choices = [], {}
    gather: Callable[[str, int, Episodes], Features] = adapted if unit.adapt else stored
    with Workers(local.workers) as workers:
        for dataset, shot, episodes in cells(params, unit.episodes):
            support, query = gather(dataset, shot, episodes)
            for name, row in unit.rows.items():
                logits, chosen = combined(row, support, query, stage_dims, params.seeds.transfer)
                predictions = logits.argmax(-1).numpy().astype(np.int16)
                tables.append(answered(name, dataset, shot, scores(predictions, episodes)))
                if chosen is not None:
                    cell = choices.setdefault(name, {}).setdefault(dataset, {})
                    cell[f"{shot}-shot"] = counted(chosen, unit.models, stage_dims)
    save_results(key, tables)
    write_json(paths.FEWSHOT / "choices" / f"{key}.json", choices)
    shutil.rmtree(scratch, ignore_errors=True)


def combined(
    row: CombinedRow, support: list[Tensor], query: list[Tensor], stage_dims: list[tuple[int, ...]], seed: int
) -> tuple[Tensor, IMSChoices | None]:
    if row.combine == "ims":
        return ims(support, query, stage_dims, IMS(**row.settings), seed)
    return all_embeddings(support, query, HeadTraining(**row.settings), seed), None


def counted(
    choices: IMSChoices, models: tuple[str, ...], stage_dims: list[tuple[int, ...]]
) -> dict[str, dict[str, Any]]:
    """{model: {"taken": n, "stages": [n1, ...]}}: how often IMS took it, and each stage as its best."""
    stages = choices.layer_counts(max(map(len, stage_dims))).tolist()
    taken = choices.model_counts().tolist()
    return {
        model: {"taken": n, "stages": counts} for model, n, counts in zip(models, taken, stages, strict=True)
    }


if __name__ == "__main__":
    run(main)
