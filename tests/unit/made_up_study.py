"""A study with made-up results, for the tests of tables, figures and the site."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from farfield.report.claims_page import claims_headline, claims_page
from farfield.report.comparisons_page import comparisons_page
from farfield.report.data_page import LISTED_FILES, data_page
from farfield.report.fewshot import fewshot_headline, fewshot_page
from farfield.report.index_page import index_page
from farfield.report.methods_page import SLUG, methods_page
from farfield.report.own_images_page import own_images_page
from farfield.report.provenance_page import provenance_page
from farfield.report.row_pages import WorstEpisode, row_pages
from farfield.report.site import Drawn, Page, Picture
from farfield.report.training_page import training_page
from farfield.results.families import FewShotStudy, fewshot_study
from farfield.results.findings import Findings
from farfield.results.inputs import MetaTraining, Training
from farfield.results.judging import judge_fewshot
from farfield.seeds import stream

METHODS = {
    "protonet": {"title": "ProtoNet", "family": "meta-learning", "published": "ProtoNet"},
    "fixed": {"title": "Fixed", "family": "transfer", "published": "Fixed"},
    "own": {"title": "Ours <b>|", "family": "transfer", "published": ""},
}


def dataset(title: str, name: str, **changed: object) -> dict:
    card = {"title": title, "published": name, "study": "crossdomain", "procedural": False, "mirror": ""}
    card |= {
        "licence": "CC BY 4.0",
        "citation": "Someone, 2020",
        "homepage": "https://example.org/a?b&c",
        "notes": "",
    }
    return card | changed


DATASETS = {
    "crops": dataset("CropDisease", "CropDiseases"),
    "eurosat": dataset("EuroSAT", "EuroSAT", mirror="2,700 images"),
    "isic": dataset("Blobs", "ISIC", procedural=True),
}
PAPERS = {"papers": dataset("Papers", "RVL-CDIP", study="documents", images=400)}
VALIDATION = {
    "crops": {
        "success": False,
        "images": 4300,
        "classes": 2,
        "class_images": {"rust": 4000, "<healthy>": 300},
        "unreadable": [{"path": "a.jpg", "reason": "truncated"}],
        "remarks": ["4 files: 12 bits in 16, shown from 212 to 3,890"],
        "duplicates": [[f"{i}.jpg", f"copy {i}.jpg"] for i in range(LISTED_FILES + 7)],
        "leaked": [],
        "expectations": [
            {
                "type": "a",
                "column": "label",
                "success": True,
                "unexpected": 0,
                "sentence": "Labels are known.",
            },
            {"type": "b", "column": "sha256", "success": False, "unexpected": 1234, "sentence": "No copies."},
        ],
    }
}
PROVENANCE = {
    "profile": "tiny",
    "seeds": {"episodes": 10},
    "versions": {"torch": "2.13.0"},
    "device": "cpu",
    "code": {"commit": "0123456789abcdef", "date": "2026-01-31", "changed": False},
    "parameters": {"episodes": {"shots": [5, 20], "way": 5}, "remote": None},
}


def results(count: int = 12, datasets: dict = DATASETS) -> pd.DataFrame:
    rows = []
    for method in reversed(METHODS):
        for name in datasets:
            for shot in (5, 20):
                accuracy = stream(1, method, name, shot).integers(30, 70, count) / 75 * 100
                cell = {"method": method, "dataset": name, "shot": shot, "episode": range(count)}
                rows.append(pd.DataFrame(cell | {"accuracy": accuracy}))
    return pd.concat(rows, ignore_index=True)


def training() -> tuple[dict[str, Training], dict[str, MetaTraining]]:
    """Of a source model and of a meta-learner."""
    epochs = np.arange(1, 6)
    curve = pd.DataFrame(
        {
            "epoch": epochs,
            "train_loss": 3.0 / epochs,
            "train_accuracy": 15.0 * epochs,
            "validation_accuracy": np.nan,
            "learning_rate": 0.01,
        }
    )
    validated = curve.assign(shot=5, validation_accuracy=10.0 * epochs, validation_ci95=1.0)
    final = {
        "untrained_accuracy": 31.5,
        "untrained_ci95": 0.8,
        "trained_accuracy": 48.25,
        "trained_ci95": 0.9,
    }
    meta = {"protonet": MetaTraining("ProtoNet", validated, {5: final})}
    return {"mini source": Training(curve, {"epochs": 5})}, meta


def study(datasets: dict = DATASETS) -> FewShotStudy:
    choices = [("own", "crops", 5, "block <4>", 9), ("own", "crops", 5, "block 3", 3)]
    costs = {"shot": 5.0, "forward": 100.0, "trained": 0.0}
    return fewshot_study(
        results(datasets=datasets),
        METHODS,
        datasets,
        "fixed",
        seed=3,
        costs={"protonet": costs, "own": costs | {"trained": 200.0}},
        choices=pd.DataFrame(choices, columns=["method", "dataset", "shot", "choice", "episodes"]),
    )


def found(datasets: dict = DATASETS) -> Findings[FewShotStudy]:
    return Findings(study(datasets), judge_fewshot)


def few_shot_rows(whole: Findings[FewShotStudy], preview: Path) -> list[Page]:
    """The table of all rows, and a page for each."""
    measured = [(whole.study, whole.summary)]
    commands = {key: f"dvc repro transfer@{key}" for key in METHODS}
    picture = Picture("figures/worst.png", "The worst episode.", "", preview, wide=False)
    worst = [WorstEpisode("crops", 5, 3, 41.3, 15, [("rust", 4), ("<healthy>", 15)], picture)]
    return [methods_page(measured, set(commands)), *row_pages(measured, commands, {"own": worst}, SLUG)]


def site_pages(preview: Path) -> list[Drawn]:
    whole = found(DATASETS | PAPERS)
    headlines = [
        *(fewshot_headline(name, part) for name, part in whole.parts.items()),
        claims_headline(whole),
    ]
    ran = {"Profile": "tiny"}
    own = own_images_page(whole, ["papers"])
    assert own is not None
    pages = [
        *(fewshot_page(name, part).page for name, part in whole.parts.items()),
        own,
        *few_shot_rows(whole, preview),
        comparisons_page(whole),
        claims_page(whole),
        training_page(*training()),
        data_page(DATASETS, VALIDATION, {"crops": preview}),
        provenance_page(PROVENANCE),
    ]
    said = [page.answer for page in pages if page.answer]
    first = index_page([headline.drawn for headline in headlines], ran, whole.study.reservations, said)
    return [first.drawn, *(replace(page.drawn, group="Few-shot") for page in pages)]
