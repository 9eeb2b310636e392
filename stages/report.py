"""report: from cached scores to what people read: metrics/, in Git, and site/, a folder of pages."""

import importlib.metadata
import platform
from typing import get_args

import pandas as pd

from farfield.datasets.cards import Card, Role
from farfield.files import atomic_file, read_json, write_json
from farfield.reporting.data_page import data_page
from farfield.reporting.fewshot import FewShotStudy, fewshot_headline, fewshot_page
from farfield.reporting.index_page import index_page
from farfield.reporting.inputs import Dataset, Method, Training
from farfield.reporting.provenance_page import provenance_page
from farfield.reporting.site import write_site
from farfield.reporting.tables import metrics
from stages import paths
from stages.params import Params, load_params
from stages.run import run

PACKAGES = ("torch", "torchvision", "numpy", "pandas", "pillow", "dvc", "great-expectations", "hydra-core")


def main() -> None:
    params = load_params()
    prune(params)
    datasets = {name: described(card) for name, card in params.datasets.items()}
    study = fewshot_study(params, datasets)
    write_json(paths.METRICS / "fewshot.json", metrics(study.summary))
    write_json(paths.METRICS / "pretraining.json", pretraining_metrics(study))
    with atomic_file(paths.METRICS / "fewshot.csv") as partial:
        plotted(study).to_csv(partial, index=False)

    folders = {name: paths.validated(name, card) for name, card in params.datasets.items()}
    validation = {name: read_json(folder / "validation.json") for name, folder in folders.items()}
    previews = {name: folder / "preview.png" for name, folder in folders.items()}
    devices = sorted({training.final["device"] for training in study.training.values()})
    versions = {"python": platform.python_version()}
    versions |= {package: importlib.metadata.version(package) for package in PACKAGES}
    provenance = {
        "profile": params.profile,
        "seeds": params.seeds.model_dump(),
        "versions": versions,
        "device": ", ".join(devices),
        "parameters": params.model_dump(exclude={"datasets", "seeds", "profile"}),
    }
    ran = {
        "Profile": params.profile,
        "Image size": f"{params.image_size} px",
        "Episodes": f"{params.fewshot.episodes} a cell",
        "Device": provenance["device"],
        "torch": versions["torch"],
    }
    pages = [
        index_page([fewshot_headline(study)], ran, study.reservations),
        fewshot_page(study),
        data_page(datasets, validation, previews),
        provenance_page(provenance),
    ]
    write_site(paths.SITE, pages)


def prune(params: Params) -> None:
    """Remove what an earlier profile or target left in the folders that this stage depends on."""
    for role in get_args(Role):
        paths.prune(paths.DATA / "validated" / role, params.datasets_of(role))
    paths.prune(paths.FEWSHOT / "results", (f"{key}.parquet" for key in params.fewshot.methods))
    paths.prune(paths.FEWSHOT / "curves", (f"{key}.csv" for key in params.fewshot.models))
    paths.prune(paths.FEWSHOT / "training", (f"{key}.json" for key in params.fewshot.models))


def described(card: Card) -> Dataset:
    return {
        "title": card.title,
        "published": card.published,
        "procedural": bool(card.generator),
        "mirror": card.sample,
        "licence": card.licence,
        "citation": card.citation,
        "homepage": card.homepage,
        "notes": card.notes,
    }


def fewshot_study(params: Params, datasets: dict[str, Dataset]) -> FewShotStudy:
    fewshot = params.fewshot
    tables = []
    for key in fewshot.methods:
        table = pd.read_parquet(
            paths.FEWSHOT / "results" / f"{key}.parquet", columns=["dataset", "shot", "episode", "accuracy"]
        )
        tables.append(table.assign(method=key))
    methods: dict[str, Method] = {
        key: {"title": method.title, "family": method.family, "published": method.published}
        for key, method in fewshot.methods.items()
    }
    training = {
        key: Training(
            pd.read_csv(paths.FEWSHOT / "curves" / f"{key}.csv"),
            read_json(paths.FEWSHOT / "training" / f"{key}.json"),
        )
        for key, model in fewshot.models.items()
        if model.recipe.epochs > 0
    }
    return FewShotStudy(
        pd.concat(tables, ignore_index=True),
        methods,
        {name: datasets[name] for name in fewshot.targets},
        fewshot.reference,
        training,
        way=fewshot.way,
        query=fewshot.query,
    )


def pretraining_metrics(study: FewShotStudy) -> dict[str, dict[str, float]]:
    """{model: {"validation_accuracy": 61.2}} of the models that held images out."""
    key = "validation_accuracy"
    return {
        name: {key: round(training.final[key], 2)}
        for name, training in study.training.items()
        if key in training.final
    }


def plotted(study: FewShotStudy) -> pd.DataFrame:
    """One bar a method, dataset and shot, for `dvc plots`."""
    summary = study.summary.round(2)
    cell = summary["dataset"] + " " + summary["shot"].astype(str) + "-shot " + summary["method"]
    return summary.assign(cell=cell)[["cell", "accuracy", "ci95", "method", "dataset", "shot", "episodes"]]


if __name__ == "__main__":
    run(main)
