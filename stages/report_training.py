"""report_training: how the networks behind the few-shot methods were trained, as a chapter of the report."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from farfield.files import read_json
from farfield.report.chapters import write_chapter
from farfield.report.numbers import rounded
from farfield.report.training_page import training_page
from farfield.results.inputs import MetaTraining, Training
from stages.frame import paths
from stages.frame.leftovers import prune_undeclared
from stages.frame.params import load_params
from stages.frame.run import run

META = paths.FEWSHOT / "meta"


def main() -> None:
    params = load_params()
    folders = (folder / name for folder in (paths.NETWORKS, META) for name in ("curves", "training"))
    prune_undeclared(params, *folders)
    sources = {
        key: Training(
            pd.read_csv(paths.NETWORKS / "curves" / f"{key}.csv"),
            read_json(paths.NETWORKS / "training" / f"{key}.json"),
        )
        for key in params.fewshot.models
        if key in params.networks.trained and not params.untrained(key)
    }
    meta = {key: meta_training(key, row.title) for key, row in params.fewshot.meta.items()}
    write_chapter(
        paths.CHAPTERS / "training",
        [training_page(sources, meta).drawn],
        metrics={"training": training_metrics(sources, meta)},
    )


def meta_training(key: str, title: str) -> MetaTraining:
    facts = read_json(META / "training" / f"{key}.json")
    final = {
        int(shot.removesuffix("-shot")): {
            f"{when}_{name}": found[when][name]
            for when in ("untrained", "trained")
            for name in ("accuracy", "ci95")
        }
        for shot, found in facts["held_out"].items()
        if found
    }
    return MetaTraining(title, pd.read_csv(META / "curves" / f"{key}.csv"), final)


def training_metrics(
    sources: Mapping[str, Training], meta: Mapping[str, MetaTraining]
) -> dict[str, dict[str, Any]]:
    """What networks can do on their own source, in percent: {"sources": {model: 61.0}, "meta": {method:
    {"5-shot": 52.0}}}."""
    key = "validation_accuracy"
    reached = {
        name: rounded(training.final[key]) for name, training in sources.items() if key in training.final
    }
    learned = {
        name: {
            f"{shot}-shot": rounded(final["trained_accuracy"], final["trained_ci95"])
            for shot, final in training.final.items()
        }
        for name, training in meta.items()
    }
    return {"sources": reached, "meta": learned}


if __name__ == "__main__":
    run(main)
