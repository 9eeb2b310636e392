"""tune@<method>: a fine-tuning method on every task of a study, to pipelines/<study>/results/<method>/.

predictions.parquet has a row for each test image: method, task, replicate, row, draw, label, prediction.
curves.csv has a row an epoch. costs.json counts parameters and multiplications. Of a network with a
policy, policies.safetensors holds which blocks ran tuned for which test image. Finished trainings are
kept outside the outputs, so a killed run goes on where it was.
"""

import copy
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from farfield.backbones.adapters import fold_parallel
from farfield.files import atomic_file, atomic_folder, read_json, write_json
from farfield.seeds import integer_seed
from farfield.training.checkpoints import load_tensors, save_tensors
from farfield.training.devices import choose_device, deterministic
from farfield.training.images import Renormalise
from farfield.training.loop import Loss, predict
from farfield.tuning.accounting import cost, macs
from farfield.tuning.adapted import Adapted, fit_adapted
from farfield.tuning.policies import evaluate_routed
from farfield.tuning.registry import method
from farfield.tuning.routing import Routed
from stages.frame import paths
from stages.frame.leftovers import DATA_FOLDERS, prune_undeclared
from stages.frame.local import load_local
from stages.frame.models import load_network, model_file
from stages.frame.params import Params, load_params
from stages.frame.run import run
from stages.frame.schema.tuning import Training
from stages.frame.tuning_tasks import TaskData, task_data

if TYPE_CHECKING:
    import pandas as pd

DRAWS = 5  # of the policy for the row that samples it, whose accuracy is their mean
CHALLENGE = 9  # tasks for which the decathlon counts parameters, however many a profile has


def main(study: str, key: str) -> None:
    params = load_params()
    prune_undeclared(params, *DATA_FOLDERS)
    deterministic()
    device = choose_device(load_local().device)
    spec = params.tuning[study]
    training = spec.methods[key]
    facts = {
        "training": training.model_dump(),
        "study": spec.model_dump(include={"tasks", "evaluation_size"}),
        "image_size": params.image_size_of(study),
        "seed": params.seeds.tuning,
    }
    scratch = paths.scratch(f"tune {study} {key}", facts, model_file(training.network), paths.DATA / "packed")
    done: list[Path] = []
    for task in spec.tasks:
        data = None
        for replicate in range(training.replicates):
            folder = scratch / f"{task}-{replicate}"
            if not (folder / "predictions.parquet").exists():
                data = data or task_data(params, study, task, device)
                train(params, study, key, task, replicate, data, device, folder)
            done.append(folder)
    with atomic_folder(paths.PIPELINES / study / "results" / key) as partial:
        gather(done, partial)
    shutil.rmtree(scratch, ignore_errors=True)


def train(
    params: Params,
    study: str,
    key: str,
    task: str,
    replicate: int,
    data: TaskData,
    device: torch.device,
    folder: Path,
) -> None:
    """One training and all its rows, left in `folder`."""
    import pandas as pd

    spec = params.tuning[study]
    training, settings = spec.methods[key], spec.tasks[task]
    # Methods share seeds, and with them minibatches, crops and, where it is alike, the initial head.
    seed = integer_seed(params.seeds.tuning, study, task, replicate)
    backbone, head = load_network(training.network)
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
    with atomic_file(folder / "predictions.parquet") as partial:  # the last one: it says that all is there
        table.to_parquet(partial, index=False)
    (folder / "checkpoint.safetensors").unlink(missing_ok=True)


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


def gather(folders: list[Path], out: Path) -> None:
    """The files of all trainings as one of each; of the policies, those of the first replicate."""
    import pandas as pd

    predictions = pd.concat([pd.read_parquet(folder / "predictions.parquet") for folder in folders])
    with atomic_file(out / "predictions.parquet") as partial:
        predictions.to_parquet(partial, index=False)
    with atomic_file(out / "curves.csv") as partial:
        pd.concat([pd.read_csv(folder / "curves.csv") for folder in folders]).to_csv(partial, index=False)
    costs: dict[str, Any] = {}
    policies: dict[str, Tensor] = {}
    for folder in reversed(folders):
        costs |= read_json(folder / "costs.json")
        policies |= load_tensors(folder / "policies.safetensors")[0]
    write_json(out / "costs.json", dict(sorted(costs.items())))
    if policies:
        save_tensors(out / "policies.safetensors", policies, {})


if __name__ == "__main__":
    run(main)
