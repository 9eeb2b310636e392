"""From the cached results of the fine-tuning studies to what the report shows of them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from farfield.datasets.channels import load_channels, pictures
from farfield.datasets.packed import load_images
from farfield.files import read_json
from farfield.networks.licences import mark
from farfield.results.families import PolicyRecord, TuningStudy, tuning_study
from farfield.results.findings import Findings
from farfield.results.inputs import Dataset
from farfield.results.policies import entropy, tuned_shares, usage
from farfield.results.study import Row
from stages.frame import paths
from stages.frame.params import Params

if TYPE_CHECKING:
    from torch import Tensor

IMAGENET = ("decathlon_imagenet",)  # sources with the images that the published networks learned from


def tuning_studies(params: Params, datasets: dict[str, Dataset]) -> dict[str, TuningStudy]:
    """Both studies; `datasets` describes every dataset of the parameters."""
    names: tuple[str, ...] = ("spottune", "decathlon")
    return {name: _study(params, name, datasets) for name in names if params.tuning[name].methods}


def plotted_policies(studies: Mapping[str, Findings[TuningStudy]]) -> dict[str, pd.DataFrame]:
    """Tables of policies for `dvc plots`, by file name, with a column that tells methods and sets apart."""
    tables = {}
    for name, shown in (("policy_map", tuned_shares), ("policy_entropy", entropy), ("tuned_blocks", usage)):
        table = pd.concat([shown(found.study).assign(study=key) for key, found in studies.items()])
        tables[name] = table.assign(cell=table["study"] + " " + table["method"] + " " + table["dataset"])
    return tables


def _study(params: Params, name: str, datasets: dict[str, Dataset]) -> TuningStudy:
    # Needs torch, as little else of the report does.
    from farfield.training.checkpoints import load_tensors, subset

    spec = params.tuning[name]
    folders = {key: paths.PIPELINES / name / "results" / key for key in spec.methods}
    tables = [pd.read_parquet(folder / "predictions.parquet") for folder in folders.values()]
    rows: dict[str, Row] = {
        row: {
            "title": said.title + mark(*params.licences_of((training.network,))),
            "published": said.published,
            "training": key,
            "override": said.override,
        }
        for key, training in spec.methods.items()
        for row, said in training.rows.items()
    }
    described: dict[str, Dataset] = {
        key: {**datasets[task.dataset], "published": task.published} for key, task in spec.tasks.items()
    }
    curves: dict[tuple[str, str], pd.DataFrame] = {}
    costs: dict[str, dict[str, float]] = {}
    policies: dict[tuple[str, str], PolicyRecord] = {}
    reference = next(key for key, training in spec.methods.items() if spec.reference in training.rows)
    unit = next(iter(read_json(folders[reference] / "costs.json").values()))["unit"]
    for key, training in spec.methods.items():
        costs |= dict.fromkeys(training.rows, _cost(read_json(folders[key] / "costs.json"), unit))
        row = next(iter(training.rows))
        curve = pd.read_csv(folders[key] / "curves.csv")
        if "policy_entropy" in curve:
            curves |= {(row, str(task)): part for task, part in curve.groupby("task", sort=False)}
        stored = folders[key] / "policies.safetensors"
        if stored.exists():
            tensors, _ = load_tensors(stored)
            policies |= {(row, task): _record(subset(tensors, f"{task}.")) for task in spec.tasks}
    return tuning_study(
        name,
        pd.concat(tables, ignore_index=True).rename(columns={"task": "dataset"}),
        rows,
        described,
        spec.reference,
        policies=policies,
        curves=curves,
        costs=costs,
        images={
            key: pictures(load_images(folder), load_channels(folder))
            for key, task in spec.tasks.items()
            for folder in [paths.packed(task.dataset, params.card(task.dataset))]
        },
        seed=params.seeds.compare,
        caveats=_caveats(params, name, datasets),
    )


def _cost(tasks: dict[str, dict[str, float]], unit: float) -> dict[str, float]:
    """Parameters of all tasks together in multiples of `unit`, the reference's network, and MACs an image;
    both are means over the tasks, which can differ where a method decides what to keep."""
    parameters = [
        (cost["source"] + cost["tasks"] * (cost["task"] + cost["policy"])) / unit for cost in tasks.values()
    ]
    macs = [cost["macs"] for cost in tasks.values()]
    return {"parameters": sum(parameters) / len(tasks), "macs": sum(macs) / len(tasks)}


def _caveats(params: Params, name: str, datasets: dict[str, Dataset]) -> tuple[str, ...]:
    """What stands for the published networks, and how long the tasks are trained, in words."""
    spec = params.tuning[name]
    used = {training.network for training in spec.methods.values()}
    said = [
        f"{key} is a {network.backbone} of width {network.width}, pretrained on "
        f"{datasets[network.source]['title']} for {network.recipe.epochs} epochs"
        for key, network in params.networks.trained.items()
        if key in used and network.source not in IMAGENET
    ]
    epochs = sorted({training.recipe.epochs for training in spec.methods.values()})
    lengths = " or ".join(map(str, epochs))
    if not said:
        return ()
    return (
        f"No network of ImageNet: {'; '.join(said)}. The tasks are trained for {lengths} epochs. The published "
        f"numbers are of networks of ImageNet in full width and cannot be expected here.",
    )


def _record(tensors: "dict[str, Tensor]") -> PolicyRecord:
    actions, probabilities, rows = (tensors[name].numpy() for name in ("actions", "probabilities", "rows"))
    return PolicyRecord(actions, probabilities, rows)
