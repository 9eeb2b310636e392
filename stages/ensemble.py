"""ensemble@<ensemble>: several source models together, to results/<ensemble>.parquet.

The models are adapted to every episode, or stay as they are and their stored features serve. Beside
the results, choices/<ensemble>.json counts which stages and models were taken by rows that select.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from farfield.datasets.packed import load_images
from farfield.episodes.evaluation import scores
from farfield.episodes.sampling import Episodes
from farfield.execution import Executor
from farfield.files import write_json
from farfield.local import load_local
from farfield.training.devices import deterministic
from farfield.transfer.ensembles import ensemble_learner
from farfield.transfer.ensembles.settings import IMSChoices
from farfield.transfer.finetuning.driver import Cell, fine_tune_cells
from farfield.transfer.finetuning.settings import FineTuning, Readout
from stages.frame import paths
from stages.frame.executor import device_of, executor
from stages.frame.leftovers import ANSWERED_FOLDERS, prune_undeclared
from stages.frame.models import load_network
from stages.frame.params import load_params
from stages.frame.results import answered, cells, save_results
from stages.frame.run import run

# Of each model: support [E, way, shot, D] and query [E, Q, D], D being all its pooled stages.
Features = tuple[list[Tensor], list[Tensor]]
Outputs = dict[Readout, np.ndarray]  # of all episodes of a cell
STAGES: tuple[Readout, ...] = ("support_stages", "query_stages")


def main(key: str) -> None:
    params, local = load_params(), load_local()
    own = (paths.FEWSHOT / "features", paths.NETWORKS / "models")
    prune_undeclared(params, *ANSWERED_FOLDERS, *own)
    deterministic()
    device = device_of(local)
    unit = params.fewshot.ensemble[key]
    networks = {model: load_network(model) for model in unit.models}
    sizes = {model: network.image_size for model, network in networks.items()}
    facts = {**unit.model_dump(), "seed": params.seeds.fewshot, "image_sizes": sizes}
    scratch = paths.scratch(f"ensemble {key}", facts, paths.DATA / "packed/target")
    stage_dims = [network.backbone.stage_dims for network in networks.values()]
    learners = {
        name: ensemble_learner(row.combine, params.seeds.fewshot, stage_dims, row.settings)
        for name, row in unit.rows.items()
    }

    asked = [*cells(params, unit.episodes)]

    def adapted(settings: FineTuning, elsewhere: Executor) -> Iterator[Features]:
        """Of each cell, one after the other."""
        of_models = [
            partial(
                fine_tune_cells,
                network.backbone,
                [
                    Cell(
                        load_images(paths.packed(dataset, params.card(dataset))),
                        episodes,
                        scratch / dataset,
                        f"{model}, {dataset}, {shot} shots",
                    )
                    for dataset, shot, episodes in asked
                ],
                settings,
                STAGES,
                image_size=network.image_size,
                seed=params.seeds.fewshot,
                device=device,
                executor=elsewhere,
            )
            for model, network in networks.items()
        ]
        return map(adapted_features, cell_by_cell(of_models))

    def stored() -> Iterator[Features]:
        folder = paths.FEWSHOT / "features"
        for dataset, _, episodes in asked:
            arrays = [np.load(folder / model / f"{dataset}.npy", mmap_mode="r") for model in unit.models]
            yield stored_features(arrays, stage_dims, episodes)

    tables = []
    choices: dict[str, Any] = {}
    with executor(local, device) if unit.adapt else nullcontext() as elsewhere:
        found = adapted(unit.adapt, elsewhere) if unit.adapt and elsewhere else stored()
        for (dataset, shot, episodes), (support, query) in zip(asked, found, strict=True):
            for name, learner in learners.items():
                fitted = learner.fit(support)
                logits = learner.scores(fitted, query)
                tables.append(answered(name, dataset, shot, scores(logits, episodes)))
                if (chosen := learner.choices(fitted)) is not None:
                    cell = choices.setdefault(name, {}).setdefault(dataset, {})
                    cell[f"{shot}-shot"] = counted(chosen, unit.models, stage_dims)
    save_results(key, tables)
    write_json(paths.FEWSHOT / "choices" / f"{key}.json", choices)
    shutil.rmtree(scratch, ignore_errors=True)


def cell_by_cell(of_models: Sequence[Callable[[], Iterator[Outputs]]]) -> Iterator[tuple[Outputs, ...]]:
    """What `fine_tune_cells` gives of each model, cell by cell.

    Each model is gone through once before: who waits for a model keeps what is finished of it, and a kill while
    another model is waited for would lose all that.
    """
    for of_cells in of_models:
        for _ in of_cells():
            pass
    yield from zip(*(of_cells() for of_cells in of_models), strict=True)


def adapted_features(outputs: Sequence[Outputs]) -> Features:
    """From the readouts STAGES of each model's fine-tuning."""
    support, query = ([torch.from_numpy(output[name]) for output in outputs] for name in STAGES)
    return support, query


def stored_features(
    arrays: list[np.ndarray], stage_dims: list[tuple[int, ...]], episodes: Episodes
) -> Features:
    """From each model's columns of `embed` [n, ...], of which those of the stages come first."""
    widths = [sum(dims) for dims in stage_dims]
    support, query = (
        [torch.from_numpy(array[rows][..., :width]) for array, width in zip(arrays, widths, strict=True)]
        for rows in (episodes.support, episodes.query)
    )
    return support, query


def counted(
    choices: IMSChoices, models: tuple[str, ...], stage_dims: list[tuple[int, ...]]
) -> dict[str, dict[str, Any]]:
    """{model: {"taken": n, "stages": [n1, ...]}}: how often it was taken, and each stage as its best."""
    stages = choices.layer_counts(max(map(len, stage_dims))).tolist()
    taken = choices.model_counts().tolist()
    return {
        model: {"taken": n, "stages": counts} for model, n, counts in zip(models, taken, stages, strict=True)
    }


if __name__ == "__main__":
    run(main)
