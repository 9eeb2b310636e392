"""From the cached results of the fine-tuning studies to what the report shows of them."""

import numpy as np
import pandas as pd

from farfield.datasets.packed import load_images
from farfield.files import read_json
from farfield.reporting.inputs import Dataset
from farfield.reporting.spottune_study import (
    Cost,
    FineTuning,
    FineTuningStudy,
    PolicyRecord,
    TunedMethod,
)
from farfield.training.checkpoints import load_tensors, subset
from stages import paths
from stages.params import Params
from stages.schema.finetuning import Training


def tuned_studies(params: Params, datasets: dict[str, Dataset]) -> dict[FineTuning, FineTuningStudy]:
    """Both studies; `datasets` describes every dataset of the parameters."""
    names: tuple[FineTuning, ...] = ("spottune", "decathlon")
    return {name: _study(params, name, datasets) for name in names if params.finetuning[name].methods}


def _study(params: Params, name: FineTuning, datasets: dict[str, Dataset]) -> FineTuningStudy:
    spec = params.finetuning[name]
    folders = {key: paths.PIPELINES / name / "results" / key for key in spec.methods}
    tables = [pd.read_parquet(folder / "predictions.parquet") for folder in folders.values()]
    methods: dict[str, TunedMethod] = {
        row: {"title": said.title, "published": said.published, "training": key, "override": said.override}
        for key, training in spec.methods.items()
        for row, said in training.rows.items()
    }
    described: dict[str, Dataset] = {
        key: {**datasets[task.dataset], "published": task.published} for key, task in spec.tasks.items()
    }
    curves: dict[tuple[str, str], pd.DataFrame] = {}
    costs: dict[str, Cost] = {}
    policies: dict[tuple[str, str], PolicyRecord] = {}
    for key, training in spec.methods.items():
        read = read_json(folders[key] / "costs.json")
        first = read[next(iter(spec.tasks))]
        spent: Cost = {"parameters": _in_networks(first), "macs": first["macs"]}
        costs |= dict.fromkeys(training.rows, spent)
        row = _asked(training)
        curve = pd.read_csv(folders[key] / "curves.csv")
        if row and "policy_entropy" in curve:
            curves |= {(row, str(task)): part for task, part in curve.groupby("task", sort=False)}
        stored = folders[key] / "policies.safetensors"
        if row and stored.exists():
            tensors, _ = load_tensors(stored)
            policies |= {(row, task): _record(subset(tensors, f"{task}.")) for task in spec.tasks}
    return FineTuningStudy(
        name,
        pd.concat(tables, ignore_index=True).rename(columns={"task": "dataset"}),
        methods,
        described,
        spec.reference,
        policies=policies,
        curves=curves,
        costs=costs,
        images={
            key: load_images(paths.packed(task.dataset, params.card(task.dataset)))
            for key, task in spec.tasks.items()
        },
        seed=params.seeds.compare,
    )


def _in_networks(cost: dict[str, float]) -> float:
    """Parameters for all tasks, in networks, as `farfield.spottune.accounting.Cost.total_ratio`."""
    return (cost["source"] + cost["tasks"] * (cost["task"] + cost["policy"])) / cost["unit"]


def _asked(training: Training) -> str:
    """The row that follows the policy's likelier action, if one does."""
    return next((row for row, said in training.rows.items() if said.override == "argmax"), "")


def _record(tensors: dict[str, "np.ndarray"]) -> PolicyRecord:
    actions, probabilities, rows = (
        np.asarray(tensors[name]) for name in ("actions", "probabilities", "rows")
    )
    return PolicyRecord(actions, probabilities, rows)
