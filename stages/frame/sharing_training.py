"""A network of the multi-task study, trained, chosen and scored, for the stages that fill its tables."""

from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from farfield.files import atomic_file, read_json, write_json
from farfield.sharing.accounting import cost
from farfield.sharing.evaluation import evaluate, objective_value, predictions
from farfield.sharing.methods import build_method, constant_predictor
from farfield.sharing.methods.adashare import AdaShare
from farfield.sharing.methods.network import TaskNetwork
from farfield.sharing.training import fit
from farfield.sharing.weighting import build_weighting
from farfield.sharing.weighting.weighting import Weighting
from farfield.training.checkpoints import load_tensors, save_tensors
from farfield.training.devices import deterministic
from stages.frame.finished import seal
from stages.frame.params import load_params
from stages.frame.schema.sharing import Study
from stages.frame.sharing_tasks import StudyData, example_positions, network_settings, study_data


class Piece(NamedTuple):
    """A network for a table: all that a process needs to train it, and `folder` where to.

    method, settings, weighting, weights: as of a row, `weights` being the settings of the weighting.
    """

    study: str
    method: str
    settings: dict[str, Any]
    weighting: str
    weights: dict[str, Any]
    seed: int
    title: str
    device: str
    folder: Path


@lru_cache(maxsize=1)
def data_of(study: str, device: str) -> StudyData:
    """Loaded once for the trainings of a table, which follow each other."""
    return study_data(load_params(), study, torch.device(device))


def train(piece: Piece) -> None:
    """Train a network, keep its best checkpoint, and leave its scores in `folder`. An unfinished one goes on."""
    deterministic()
    study, device = load_params().sharing.studies[piece.study], torch.device(piece.device)
    data = data_of(piece.study, piece.device)
    if piece.method == "constant":
        predictor = constant_predictor(data.train, data.channels, study.class_weights)
        score(predictor, study, data, None, device, piece.folder)
        seal(piece.folder)
        return
    settings = network_settings(study, piece.seed)
    network = build_method(piece.method, data.channels, settings, **piece.settings)
    weighting = build_weighting(piece.weighting, data.objective, piece.seed, **piece.weights)
    runs = network.runs if isinstance(network, AdaShare) else None
    train_network(network, weighting, runs, study, data, piece.seed, device, piece.folder, piece.title)


def train_network(
    network: TaskNetwork,
    weighting: Weighting,
    runs: Tensor | None,
    study: Study,
    data: StudyData,
    seed: int,
    device: torch.device,
    folder: Path,
    title: str,
) -> None:
    """Train a network of all tasks, keep its best checkpoint, and leave its scores in `folder`. An unfinished one
    goes on. runs: which blocks its tasks run, as its cost is counted (`accounting.cost`)."""
    import pandas as pd

    recipe = study.recipe

    def validate(trained: nn.Module) -> dict[str, float]:
        value = objective_value(trained, data.selection, data.objective, device=device, **evaluation(study))
        return {"selection": -value}

    every = max(1, -(-recipe.iterations // study.validations))
    curve = fit(
        network,
        data.train,
        data.objective,
        weighting,
        recipe,
        seed=seed,
        device=device,
        validate=validate,
        validate_every=every,
        select="selection",
        checkpoint=folder / "checkpoint.safetensors",
        checkpoint_every=every,
        title=title,
    )
    plain = network_settings(study, 0).backbone()
    write_json(folder / "costs.json", asdict(cost(network, plain, runs)))
    with atomic_file(folder / "curve.csv") as partial:
        pd.DataFrame(curve).to_csv(partial, index=False)
    score(network, study, data, max((row["selection"] for row in curve), default=None), device, folder)
    (folder / "checkpoint.safetensors").unlink(missing_ok=True)
    seal(folder)


def score(
    network: nn.Module,
    study: Study,
    data: StudyData,
    selection: float | None,
    device: torch.device,
    folder: Path,
) -> None:
    """Leave what it scores on the test images, and what it predicts for a few of them, in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = example_positions(len(data.test))
    shown = {
        task: _compact(task, maps)
        for task, maps in predictions(network, data.test, chosen, device=device).items()
    }
    save_tensors(folder / "examples.safetensors", shown)
    scores = evaluate(network, data.test, data.objective.tasks, device=device, **evaluation(study))
    write_json(folder / "scores.json", {"selection": selection, "scores": scores})


def _compact(task: str, maps: Tensor) -> Tensor:
    return maps.argmax(1).to(torch.int16) if task == "segmentation" else maps.half()


def evaluation(study: Study) -> dict[str, Any]:
    """How images are evaluated: as in training, so that what fits there fits here."""
    return {"batch_size": study.recipe.batch_size, "precision": study.recipe.precision}


def gather(folders: dict[tuple[str, int], Path], protocol: str, out: Path) -> None:
    """What `train` left of each study and sample as one of each file, in `out`.

    scores.parquet: study, sample, training (alike for samples that are one training), task, metric, value,
    selection, protocol. curves.csv: a row a validation of each training. costs.json: of each study, the mean
    over samples. examples.safetensors: of each study's first sample.
    """
    import pandas as pd

    rows, costs, curves = [], [], {}
    examples: dict[str, torch.Tensor] = {}
    for (study, sample), folder in folders.items():
        found = read_json(folder / "scores.json")
        chosen = float("nan") if found["selection"] is None else found["selection"]
        cell = (study, sample, folder.name)
        for task, metrics in found["scores"].items():
            rows += [(*cell, task, metric, value, chosen) for metric, value in metrics.items()]
        if (folder / "curve.csv").exists():
            curves[folder] = pd.read_csv(folder / "curve.csv").assign(study=study, training=folder.name)
            costs.append({"study": study, **read_json(folder / "costs.json")})
        if sample == 0:
            tensors, _ = load_tensors(folder / "examples.safetensors")
            examples |= {f"{study}.{task}": maps for task, maps in tensors.items()}
    names = ["study", "sample", "training", "task", "metric", "value", "selection"]
    with atomic_file(out / "scores.parquet") as partial:
        pd.DataFrame(rows, columns=names).assign(protocol=protocol).to_parquet(partial, index=False)
    with atomic_file(out / "curves.csv") as partial:
        table = pd.concat(curves.values()) if curves else pd.DataFrame(columns=["study", "training"])
        table.to_csv(partial, index=False)
    means = pd.DataFrame(costs).groupby("study", sort=False).mean() if costs else pd.DataFrame()
    write_json(out / "costs.json", means.to_dict("index"))
    save_tensors(out / "examples.safetensors", examples)
