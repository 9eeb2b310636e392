"""report_tuning: SpotTune and the Visual Decathlon as a chapter of the report, from the results of every row."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from farfield.datasets.channels import load_channels, pictures
from farfield.datasets.packed import load_images
from farfield.files import read_json
from farfield.networks.licences import mark
from farfield.report.chapters import write_chapter
from farfield.report.policies import policies_page
from farfield.report.tuning import tuning_claims, tuning_headlines, tuning_metrics, tuning_pages
from farfield.results.families import PolicyRecord, TuningStudy, tuning_study
from farfield.results.findings import Findings
from farfield.results.inputs import Dataset
from farfield.results.judging import judge_tuning
from farfield.results.policies import entropy, tuned_shares, usage
from farfield.results.study import Row
from stages.frame import paths
from stages.frame.described import described
from stages.frame.leftovers import prune_undeclared
from stages.frame.params import Params, load_params
from stages.frame.run import run

if TYPE_CHECKING:
    from torch import Tensor

IMAGENET = ("decathlon_imagenet",)  # sources with the images that the published networks learned from


def main() -> None:
    params = load_params()
    names = [name for name, spec in params.tuning.items() if spec.methods]
    packed = (paths.PACKED_SOURCES, paths.PACKED_TARGETS, paths.PACKED_DENSE)
    prune_undeclared(params, *packed, *(paths.PIPELINES / name / "results" for name in names))
    datasets = described(params)
    studies = {name: read_study(params, name, datasets) for name in names}
    found = {name: Findings(one, judge_tuning) for name, one in studies.items()}
    pages = [*tuning_pages(found), policies_page(studies)]
    write_chapter(
        paths.CHAPTERS / "tuning",
        [page.drawn for page in pages if page],
        [headline.drawn for headline in tuning_headlines(found)],
        metrics={name: tuning_metrics(part) for name, part in found.items()},
        tables=plotted_policies(studies),
        claims={name: tuning_claims(part) for name, part in found.items()},
    )


def plotted_policies(studies: Mapping[str, TuningStudy]) -> dict[str, pd.DataFrame]:
    """Tables of policies for `dvc plots`, by file name, with a column that tells methods and sets apart."""
    tables: dict[str, pd.DataFrame] = {}
    if not studies:
        return tables
    for file, shown in (("policy_map", tuned_shares), ("policy_entropy", entropy), ("tuned_blocks", usage)):
        table = pd.concat([shown(study).assign(study=name) for name, study in studies.items()])
        tables[file] = table.assign(cell=table["study"] + " " + table["method"] + " " + table["dataset"])
    return tables


def read_study(params: Params, name: str, datasets: Mapping[str, Dataset]) -> TuningStudy:
    """One of the two; `datasets` describes every dataset of the parameters."""
    # Needs torch, as few chapters do.
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
    cards: dict[str, Dataset] = {
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
        cards,
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


def _caveats(params: Params, name: str, datasets: Mapping[str, Dataset]) -> tuple[str, ...]:
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


if __name__ == "__main__":
    run(main)
