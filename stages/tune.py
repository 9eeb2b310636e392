"""tune@<method>: a fine-tuning method on every task of a study, to pipelines/<study>/results/<method>/.

predictions.parquet has a row for each test image: method, task, replicate, row, draw, label, prediction.
curves.csv has a row an epoch. costs.json counts parameters and multiplications. Of a network with a
policy, policies.safetensors holds which blocks ran tuned for which test image. Finished trainings are
kept outside the outputs, so a killed run goes on where it was.
"""

import shutil
from pathlib import Path
from typing import Any

from torch import Tensor

from farfield.files import atomic_file, atomic_folder, read_json, write_json
from farfield.local import load_local
from farfield.training.checkpoints import load_tensors, save_tensors
from stages.frame import paths
from stages.frame.executor import device_of, executor, train_missing
from stages.frame.leftovers import DATA_FOLDERS, prune_undeclared
from stages.frame.models import model_file
from stages.frame.params import load_params
from stages.frame.run import run
from stages.frame.tuning_training import Piece, train


def main(study: str, key: str) -> None:
    params, local = load_params(), load_local()
    prune_undeclared(params, *DATA_FOLDERS)
    device = device_of(local)
    spec = params.tuning[study]
    training = spec.methods[key]
    facts = {
        "training": training.model_dump(),
        "study": spec.model_dump(include={"tasks", "evaluation_size"}),
        "image_size": params.image_size_of(study),
        "seed": params.seeds.tuning,
    }
    scratch = paths.scratch(f"tune {study} {key}", facts, model_file(training.network), paths.DATA / "packed")
    pieces = [
        Piece(study, key, task, replicate, str(device), scratch / f"{task}-{replicate}")
        for task in spec.tasks
        for replicate in range(training.replicates)
    ]
    with executor(local, device, processes=1) as elsewhere:
        train_missing(elsewhere, train, pieces)
    with atomic_folder(paths.PIPELINES / study / "results" / key) as partial:
        gather([piece.folder for piece in pieces], partial)
    shutil.rmtree(scratch, ignore_errors=True)


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
