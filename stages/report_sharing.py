"""report_sharing: the multi-task studies as a chapter of the report, from the results of every row."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd

from farfield.datasets.dense.packed import load_class_names
from farfield.files import read_json
from farfield.report.chapters import write_chapter
from farfield.report.numbers import claims_metrics
from farfield.report.policies import sharing_page
from farfield.report.sharing import plotted_sharing, sharing_headlines, sharing_metrics, sharing_pages
from farfield.results.families import Examples, SharingStudy, TaskPolicy, sharing_study
from farfield.results.findings import Findings
from farfield.results.inputs import Dataset
from farfield.results.judging import judge_sharing
from farfield.results.policies import history_frame
from farfield.results.study import Row
from stages.frame import paths
from stages.frame.described import described
from stages.frame.leftovers import prune_undeclared
from stages.frame.params import Params, load_params
from stages.frame.run import run

RESULTS, SEARCHED = paths.SHARING / "results", paths.SHARING / "policies"
PUBLISHED = {"cityscapes": 20_000, "nyuv2": 20_000, "taskonomy": 30_000}  # iterations of re-training
PUBLISHED_WIDTH = 64
COLLAPSED = 0.75  # of its blocks that a task skips


def main() -> None:
    params = load_params()
    prune_undeclared(params, paths.PACKED_DENSE, RESULTS, SEARCHED)
    datasets = described(params)
    names = [name for name in PUBLISHED if name in params.sharing.studies]
    studies = {name: read_study(params, name, datasets) for name in names}
    found = {name: Findings(one, judge_sharing) for name, one in studies.items()}
    pages = [*sharing_pages(found), sharing_page(studies)]
    write_chapter(
        paths.CHAPTERS / "sharing",
        [page.drawn for page in pages if page],
        [headline.drawn for headline in sharing_headlines(found)],
        metrics={"sharing": {name: sharing_metrics(part) for name, part in found.items()}},
        tables=plotted_sharing(found),
        claims={f"sharing_{name}": claims_metrics(part.claims) for name, part in found.items()},
    )


def read_study(params: Params, name: str, datasets: Mapping[str, Dataset]) -> SharingStudy:
    # Needs torch, as few chapters do.
    import torch

    from farfield.sharing.deeplab import DEPTHS
    from farfield.training.checkpoints import load_tensors, subset
    from stages.frame.sharing_tasks import example_positions, study_data

    section = params.sharing
    study = section.studies[name]
    data = study_data(params, name, torch.device("cpu"))
    tables, costs, predictions = [], {}, {}
    for row in section.rows:
        table = pd.read_parquet(RESULTS / row / "scores.parquet")
        tables.append(table[table["study"] == name].drop(columns="study").assign(method=row))
        found: dict[str, dict[str, float]] = read_json(RESULTS / row / "costs.json")
        if name in found:
            costs[row] = found[name]
        tensors, _ = load_tensors(RESULTS / row / "examples.safetensors")
        predictions[row] = {task: maps.numpy() for task, maps in subset(tensors, f"{name}.").items()}
    policies: dict[str, TaskPolicy] = {}
    for row in section.retrained:
        record = read_json(RESULTS / row / "policies.json")[name]
        policies[row] = {
            "select": np.array(record["select"]),
            "runs": [np.array(runs, dtype=bool) for runs in record["runs"]],
        }
    history = {
        row: history_frame(read_json(SEARCHED / retrained.search / f"{name}.json"), [*data.objective.tasks])
        for row, retrained in section.retrained.items()
        if retrained.policies == "searched"
    }
    rows: dict[str, Row] = {
        key: {"title": row.title, "published": row.published, "kind": _kind(params, key)}
        for key, row in section.rows.items()
    }
    chosen = torch.tensor(example_positions(len(data.test)))
    images, targets = data.test.batch(chosen, torch.device("cpu"))
    examples: Examples = {
        "images": images.numpy(),
        "truths": {task: target.numpy() for task, target in targets.items()},
        "predictions": predictions,
        "classes": load_class_names(paths.packed(study.dataset, params.card(study.dataset))),
    }
    return sharing_study(
        name,
        pd.concat(tables, ignore_index=True),
        rows,
        [*data.objective.tasks],
        _described(datasets[study.dataset], study.published),
        reference=section.reference,
        train_images=len(data.train),
        test_images=len(data.test),
        depth_unit="m" if params.card(study.dataset).expected.depth_unit == "metres" else "",
        costs=costs,
        policies=policies,
        history=history,
        examples=examples,
        stages=DEPTHS[study.network.backbone],
        caveats=tuple(_reservations(params, name, policies)),
    )


def _described(dataset: Dataset, published: str) -> Dataset:
    """The dataset, standing for that of the published table."""
    own, theirs = ("".join(filter(str.isalnum, name)).lower() for name in (dataset["published"], published))
    stands_in = own not in theirs or not own
    mirror = (
        f"{dataset['title']} in its place, {dataset['mirror']}"
        if stands_in and dataset["mirror"]
        else dataset["mirror"]
    )
    return {**dataset, "published": published, "mirror": mirror}


def _kind(params: Params, key: str) -> Literal["baseline", "adashare", "ablation", "reference"]:
    section = params.sharing
    if key in section.baselines and section.baselines[key].method == "constant":
        return "reference"
    if not section.rows[key].published:
        return "ablation"
    return "adashare" if key in section.retrained else "baseline"


def _reservations(params: Params, name: str, policies: Mapping[str, TaskPolicy]) -> list[str]:
    """What differs from the published run, and what a reader of the policies should know, in words."""
    study, width = params.sharing.studies[name], PUBLISHED_WIDTH
    said = []
    if (study.recipe.iterations, study.network.width) != (PUBLISHED[name], width):
        cut = (
            f"crops of {study.recipe.augmentation.crop} pixels"
            if study.recipe.augmentation
            else "whole images"
        )
        said.append(
            f"Networks of width {study.network.width} were trained for {study.recipe.iterations:,} iterations on "
            f"{cut}, after a search of {study.search.iterations:,}; the published ones, of width {width}, for "
            f"{PUBLISHED[name]:,}."
        )
    for row, retrained in params.sharing.retrained.items():
        skipped = 1 - np.mean(policies[row]["runs"], axis=(0, 2))  # [tasks]
        if retrained.policies == "searched" and not skipped.any():
            said.append(f"No sampled policy of {retrained.title} skips a block: it is hard sharing here.")
        if skipped.max() > COLLAPSED:
            said.append(
                f"A task of {retrained.title} skips {skipped.max():.0%} of its blocks: a collapsed policy."
            )
    for row, tree in {**params.sharing.branched, **params.sharing.recommended}.items():
        found = read_json(RESULTS / row / "trees.json")[name]["tree"]
        said.append(f"The tree of {tree.title}: {tree_in_words(found, tree.branch_before)}.")
    return said


def tree_in_words(tree: Sequence[Sequence[Sequence[str]]], branch_before: Sequence[int]) -> str:
    """Who shares what from where on, as far as it changes. tree: [segments][nodes][tasks]."""
    places = ["from the images on", *(f"from stage {stage + 1} on" for stage in branch_before)]
    said = []
    for place, nodes, earlier in zip(places, tree, [None, *tree], strict=False):
        if nodes != earlier:
            groups = [
                f"{first} with {' and '.join(others)}" if others else f"{first} alone"
                for first, *others in nodes
            ]
            said.append(f"{place} {', '.join(groups)}")
    return "; ".join(said)


if __name__ == "__main__":
    run(main)
