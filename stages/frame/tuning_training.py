"""A method of a fine-tuning study, trained on a task, with all that its rows answer: for stage `tune`."""

import copy
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from farfield.backbones.channels import with_channels
from farfield.files import atomic_file, write_json
from farfield.networks.adapters import fold_parallel
from farfield.seeds import integer_seed
from farfield.training.checkpoints import save_tensors
from farfield.training.devices import deterministic
from farfield.training.images import Renormalise
from farfield.training.loop import Loss, predict
from farfield.tuning.accounting import cost, macs
from farfield.tuning.adapted import Adapted, fit_adapted
from farfield.tuning.policies import evaluate_routed, mean_policy
from farfield.tuning.registry import method
from farfield.tuning.routing import Routed
from stages.frame.finished import seal
from stages.frame.models import load_network
from stages.frame.params import load_params
from stages.frame.schema.tuning import Training
from stages.frame.tuning_tasks import TaskData, task_data

if TYPE_CHECKING:
    import pandas as pd

DRAWS = 5  # of the policy for the row that samples it, whose accuracy is their mean
CHALLENGE = 9  # tasks for which the decathlon counts parameters, however many a profile has


class Piece(NamedTuple):
    """A training of method `key` on a task: all that a process needs to make it, and `folder` where to."""

    study: str
    key: str
    task: str
    replicate: int
    device: str
    folder: Path


@lru_cache(maxsize=1)
def _data(study: str, task: str, device: str) -> TaskData:
    """Loaded once for the replicates of a task, which follow each other."""
    return task_data(load_params(), study, task, torch.device(device))


def train(piece: Piece) -> None:
    """One training and all its rows, left in `folder`. An unfinished one goes on."""
    import pandas as pd

    deterministic()
    params, device = load_params(), torch.device(piece.device)
    study, key, task, replicate, _, folder = piece
    data = _data(study, task, piece.device)
    spec = params.tuning[study]
    training, settings = spec.methods[key], spec.tasks[task]
    # Methods share seeds, and with them minibatches, crops and, where it is alike, the initial head.
    seed = integer_seed(params.seeds.tuning, study, task, replicate)
    backbone, head, _ = load_network(training.network)  # the study says how many pixels its rows see
    backbone = with_channels(backbone, data.train.images.shape[3])
    source = copy.deepcopy(backbone)  # as it is before the method changes it
    make = method(training.method, seed, training.settings, head)
    torch.manual_seed(seed)
    adapted = make(backbone, data.classes)
    view = Renormalise(settings.mean, settings.std) if settings.mean and settings.std else None
    recipe = training.recipe
    if training.task_decay and settings.weight_decay is not None:
        recipe = replace(recipe, weight_decay=settings.weight_decay)
    seen = adapted if view is None else replace(adapted, loss=viewed(adapted.loss, view))
    curve = fit_adapted(
        seen,
        data.train,
        recipe,
        image_size=params.image_size_of(study),
        seed=seed,
        device=device,
        checkpoint=folder / "checkpoint.safetensors",
        title=f"{training.method}, {task}, {replicate + 1} of {training.replicates}",
    )
    if view is not None:
        adapted.network.register_forward_pre_hook(lambda network, images: (view(images[0]),))
    size = spec.evaluation_size or params.image_size_of(study)
    if adapted.finish is not None:
        adapted.finish(data.train, size)
    tensors, tables = answers(adapted, training, data, size, seed, device)
    tasks = CHALLENGE if study == "decathlon" else len(spec.tasks)
    counted = asdict(cost(adapted.network, source.to(device), tasks))
    counted["macs"] = macs(fold_parallel(adapted.network), size)
    table = pd.concat(tables).assign(task=task, replicate=np.int32(replicate))
    folder.mkdir(parents=True, exist_ok=True)
    save_tensors(folder / "policies.safetensors", {f"{task}.{name}": t for name, t in tensors.items()}, {})
    write_json(folder / "costs.json", {task: counted})
    with atomic_file(folder / "curves.csv") as partial:
        pd.DataFrame(curve).assign(task=task, replicate=replicate).to_csv(partial, index=False)
    with atomic_file(folder / "predictions.parquet") as partial:
        table.to_parquet(partial, index=False)
    (folder / "checkpoint.safetensors").unlink(missing_ok=True)
    seal(folder)


def viewed(loss: Loss, view: Callable[[Tensor], Tensor]) -> Loss:
    """`loss` of what `view` makes of the images."""
    return lambda network, images, *rest: loss(network, view(images), *rest)


def answers(
    adapted: Adapted, training: Training, data: TaskData, size: int, seed: int, device: torch.device
) -> "tuple[dict[str, Tensor], list[pd.DataFrame]]":
    """What each row answers for the test images; and the policy's decisions, if there is a policy."""
    import pandas as pd

    overrides = {row: spec.override for row, spec in training.rows.items() if spec.override}
    tensors: dict[str, Tensor] = {}
    given: dict[str, Tensor] = {}  # int64 [draws, images]
    if overrides:
        assert isinstance(adapted.network, Routed)  # the schema gives an override to no other
        if "mean" in overrides.values():
            adapted.network.mean = mean_policy(adapted.network, data.train, image_size=size, device=device)
        routed = evaluate_routed(
            adapted.network,
            data.test,
            [override for override in overrides.values() if override != "sampled"],
            image_size=size,
            device=device,
            seed=seed,
            samples=DRAWS if "sampled" in overrides.values() else 0,
        )
        given = {
            row: routed.sampled if override == "sampled" else routed.predictions[override][None]
            for row, override in overrides.items()
        }
        tensors = {"actions": routed.actions, "probabilities": routed.probabilities}
    elif isinstance(adapted.network, Routed) and adapted.network.kept is not None:
        actions = adapted.network.kept.expand(len(data.test), -1).contiguous()
        tensors = {"actions": actions, "probabilities": actions.half()}
    if tensors:
        tensors["rows"] = data.test.rows
    if len(overrides) < len(training.rows):
        plain = predict(adapted.network, data.test, image_size=size, device=device)[None]
        given |= {row: plain for row in training.rows if row not in overrides}
    tables = [
        pd.DataFrame(
            {
                "method": row,
                "row": data.test.rows.numpy().astype(np.int32),
                "draw": np.int32(draw),
                "label": data.test.targets.numpy().astype(np.int32),
                "prediction": answer.numpy().astype(np.int32),
            }
        )
        for row in training.rows
        for draw, answer in enumerate(given[row])
    ]
    return tensors, tables
