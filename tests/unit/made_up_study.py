"""A study with made-up results, for the tests of tables, figures and the site."""

from pathlib import Path

import numpy as np
import pandas as pd

from farfield.reporting.data_page import LISTED_FILES, data_page
from farfield.reporting.fewshot import FewShotStudy, fewshot_headline, fewshot_page
from farfield.reporting.index_page import index_page
from farfield.reporting.inputs import Training
from farfield.reporting.provenance_page import provenance_page
from farfield.reporting.site import Page
from farfield.seeds import stream

METHODS = {
    "protonet": {"title": "ProtoNet", "family": "meta-learning", "published": "ProtoNet"},
    "fixed": {"title": "Fixed", "family": "transfer", "published": "Fixed"},
    "own": {"title": "Ours <b>|", "family": "transfer", "published": ""},
}


def dataset(title: str, name: str, **changed: object) -> dict:
    card = {"title": title, "published": name, "procedural": False, "mirror": "", "licence": "CC BY 4.0"}
    card |= {"citation": "Someone, 2020", "homepage": "https://example.org/a?b&c", "notes": ""}
    return card | changed


DATASETS = {
    "crops": dataset("CropDisease", "CropDiseases"),
    "eurosat": dataset("EuroSAT", "EuroSAT", mirror="2,700 images"),
    "isic": dataset("Blobs", "ISIC", procedural=True),
}
VALIDATION = {
    "crops": {
        "success": False,
        "images": 4300,
        "classes": 2,
        "class_images": {"rust": 4000, "<healthy>": 300},
        "unreadable": [{"path": "a.jpg", "reason": "truncated"}],
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
    "parameters": {"episodes": {"shots": [5, 20], "way": 5}, "remote": None},
}


def results(count: int = 12) -> pd.DataFrame:
    rows = []
    for method in reversed(METHODS):
        for name in DATASETS:
            for shot in (5, 20):
                accuracy = stream(1, method, name, shot).integers(30, 70, count) / 75 * 100
                cell = {"method": method, "dataset": name, "shot": shot, "episode": range(count)}
                rows.append(pd.DataFrame(cell | {"accuracy": accuracy}))
    return pd.concat(rows, ignore_index=True)


def study() -> FewShotStudy:
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
    return FewShotStudy(
        results(), METHODS, DATASETS, "fixed", {"mini source": Training(curve, {"epochs": 5})}
    )


def site_pages(preview: Path) -> list[Page]:
    return [
        index_page([fewshot_headline(study())], {"Profile": "tiny"}, study().reservations),
        fewshot_page(study()),
        data_page(DATASETS, VALIDATION, {"crops": preview}),
        provenance_page(PROVENANCE),
    ]
