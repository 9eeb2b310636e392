"""finetune@<adaptation>: a network adapted to every episode, to results/<adaptation>.parquet.

One training answers all rows of the adaptation. Finished episodes are kept outside the outputs, so a
killed run goes on where it was.
"""

import shutil
from dataclasses import replace
from itertools import groupby

from farfield.datasets.packed import load_images
from farfield.episodes.evaluation import scores
from farfield.local import load_local
from farfield.training.devices import deterministic
from farfield.training.recipe import View
from farfield.transfer.finetuning.driver import Cell, fine_tune_cells
from farfield.transfer.readouts import needed, readout_learner
from stages.frame import paths
from stages.frame.executor import device_of, executor
from stages.frame.leftovers import ANSWERED_FOLDERS, prune_undeclared
from stages.frame.models import load_network
from stages.frame.params import load_params
from stages.frame.results import answered, cells, save_results
from stages.frame.run import run


def main(key: str) -> None:
    params, local = load_params(), load_local()
    deterministic()
    device = device_of(local)
    unit = params.fewshot.finetune[key]
    backbone, _, image_size = load_network(unit.model)
    learners = {name: readout_learner(row.readout, row.settings) for name, row in unit.rows.items()}
    facts = {**unit.model_dump(), "seed": params.seeds.fewshot, "image_size": image_size}
    scratch = paths.scratch(f"finetune {key}", facts, paths.DATA / "packed/target")
    prune_undeclared(params, *ANSWERED_FOLDERS)
    adapting = {
        (dataset, shot): Cell(
            load_images(paths.packed(dataset, params.card(dataset))),
            episodes,
            scratch / dataset,
            f"{key}, {dataset}, {shot} shots",
        )
        for dataset, shot, episodes in cells(params, unit.episodes)
        if shot in (unit.shots or (shot,))
    }

    def views_of(target: str) -> tuple[View, ...]:
        return params.fewshot.views_of(target) if unit.viewed else unit.settings.views

    tables = []
    with executor(local, device) as elsewhere:
        # Of all cells at once that are adapted alike, so that no worker waits for another cell.
        for views, alike in groupby(adapting.items(), lambda cell: views_of(cell[0][0])):
            own = dict(alike)
            adapted = fine_tune_cells(
                backbone,
                [*own.values()],
                replace(unit.settings, views=views),
                needed(learners.values()),
                image_size=image_size,
                seed=params.seeds.fewshot,
                device=device,
                executor=elsewhere,
            )
            for ((dataset, shot), cell), outputs in zip(own.items(), adapted, strict=True):
                for name, learner in learners.items():
                    table = scores(learner.answer(outputs, backbone.stage_dims), cell.episodes)
                    tables.append(answered(name, dataset, shot, table))
    save_results(key, tables)
    shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    run(main)
