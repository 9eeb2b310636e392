"""Fine-tuning studies with made-up answers, for the tests of their pages."""

import numpy as np
import pandas as pd
from made_up_study import dataset

from farfield.report.index_page import index_page
from farfield.report.policies import policies_page
from farfield.report.site import Drawn
from farfield.report.tuning import tuning_headlines, tuning_pages
from farfield.results.families import PolicyRecord, TuningStudy, tuning_study
from farfield.results.findings import Findings
from farfield.results.judging import judge_tuning
from farfield.seeds import stream

IMAGES, BLOCKS = 240, 8


def row(title: str, published: str, training: str = "", override: str = "") -> dict:
    return {"title": title, "published": published, "training": training or title, "override": override}


METHODS = {
    "features": row("Feature extractor", "Feature Extractor"),
    "standard": row("Standard <b>|", "Standard Fine-tuning"),
    "random_policy": row("Random policy", "Random Policy"),
    "spottune": row("SpotTune", "SpotTune", "spottune", "argmax"),
    "running_tuned": row(
        "SpotTune, running fine-tuned blocks", "SpotTune (running fine-tuned blocks)", "spottune", "all_tuned"
    ),
    "running_frozen": row("SpotTune, running frozen blocks", "", "spottune", "all_frozen"),
    "running_mean": row("SpotTune, its mean policy", "", "spottune", "mean"),
    "global_k": row("SpotTune (Global-k)", "SpotTune (Global-k)"),
}
DECATHLON_METHODS = {
    "features": row("Feature extractor", "Feature Extractor"),
    "finetuning": row("Fine-tuning", "Fine-tuning"),
    "routed": row("SpotTune", "SpotTune", "routed", "argmax"),
}
DATASETS = {
    "cub": dataset("CUB-200", "CUBS"),
    "flowers": dataset("Flowers-17", "Flowers", mirror="17 of 102 classes"),
    "blobs": dataset("Blobs", "Sketches", procedural=True),
}
DECATHLON_DATASETS = {
    "aircraft": dataset("Aircraft", "Airc.", mirror="a fifth of the images"),
    "cifar100": dataset("CIFAR-100", "C100", mirror="a fifth of the images"),
}
# Chance of a right answer, and how often a method was trained.
LEVELS = {
    "features": (0.55, 1),
    "standard": (0.70, 3),
    "random_policy": (0.66, 3),
    "spottune": (0.82, 3),
    "running_tuned": (0.72, 3),
    "running_frozen": (0.3, 3),
    "running_mean": (0.75, 3),
    "global_k": (0.78, 1),
    "finetuning": (0.70, 3),
    "routed": (0.80, 3),
}


def answers(methods: dict, datasets: dict, images: int = IMAGES) -> pd.DataFrame:
    """Some images are hard for every method; about the given share of answers is right."""
    frames = []
    for name in datasets:
        labels = stream(0, name, "labels").integers(0, 10, images)
        hardness = stream(0, name, "hardness").random(images)
        for method in methods:
            level, trainings = LEVELS[method]
            for replicate in range(trainings):
                noise = stream(0, name, method, replicate).normal(0, 0.12, images)
                wrong = hardness + noise > level
                frame = {
                    "row": np.arange(images) + 1000,
                    "draw": 0,
                    "label": labels,
                    "prediction": (labels + wrong) % 10,
                }
                cell = {"method": method, "dataset": name, "replicate": replicate}
                frames.append(pd.DataFrame(cell | frame))
    return pd.concat(frames, ignore_index=True)


def record(name: str, images: int = IMAGES, blocks: int = BLOCKS) -> PolicyRecord:
    """A policy that tunes late blocks, more of them for later images."""
    lean = np.linspace(-2, 2, blocks) + np.linspace(-1, 1, images)[:, None]
    logits = lean + stream(0, name, "logits").normal(0, 1, (images, blocks))
    probabilities = (1 / (1 + np.exp(-logits))).astype(np.float16)
    return PolicyRecord((logits > 0).astype(np.uint8), probabilities, np.arange(images) + 1000)


def one_for_all(images: int = IMAGES, blocks: int = BLOCKS) -> PolicyRecord:
    """The policy of Global-k: the same three blocks for every image."""
    actions = np.zeros((images, blocks), np.uint8)
    actions[:, [1, 5, 7]] = 1
    return PolicyRecord(actions, actions.astype(np.float16), np.arange(images) + 1000)


def curve(name: str) -> pd.DataFrame:
    epochs = np.tile(np.arange(1, 11), 2)
    fall = 1 - 0.05 * epochs * (1 + stream(0, name, "entropy").random())
    return pd.DataFrame({"replicate": np.repeat([0, 1], 10), "epoch": epochs, "policy_entropy": fall})


def pictures(name: str) -> np.ndarray:
    return stream(0, name, "images").integers(0, 256, (1000 + IMAGES, 8, 8, 3)).astype(np.uint8)


def spottune(datasets: dict = DATASETS, **changed: object) -> TuningStudy:
    policies = {("spottune", name): record(name) for name in datasets}
    policies |= {("global_k", name): one_for_all() for name in datasets}
    settings = {
        "policies": policies,
        "curves": {("spottune", name): curve(name) for name in datasets},
        "costs": {"spottune": {"parameters": 2.2, "macs": 8.1e8}, "standard": {"parameters": 1.0}},
        "images": {name: pictures(name) for name in datasets},
        "reference": "standard",
        "seed": 5,
        "caveats": ("Trained for 4 epochs where the paper has 40.",),
    }
    results = answers(METHODS, datasets)
    return tuning_study("spottune", results, METHODS, datasets, **(settings | changed))


def decathlon(datasets: dict = DECATHLON_DATASETS) -> TuningStudy:
    results = answers(DECATHLON_METHODS, datasets)
    costs = {"finetuning": {"parameters": 10.0}, "routed": {"parameters": 11.38}}
    return tuning_study(
        "decathlon",
        results,
        DECATHLON_METHODS,
        datasets,
        "finetuning",
        policies={("routed", name): record(name) for name in datasets},
        costs=costs,
    )


def all_pages() -> list[Drawn]:
    studies = {"spottune": spottune(), "decathlon": decathlon()}
    page = policies_page(studies)
    assert page is not None
    found = {name: Findings(study, judge_tuning) for name, study in studies.items()}
    headlines = [headline.drawn for headline in tuning_headlines(found)]
    pages = [*tuning_pages(found), page]
    said = [one.answer for one in pages if one.answer]
    return [one.drawn for one in (index_page(headlines, {"Profile": "tiny"}, answers=said), *pages)]
