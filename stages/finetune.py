"""finetune@<adaptation>: a network adapted to every episode, to results/<adaptation>.parquet.

One training answers all rows of the adaptation. Finished episodes are kept outside the outputs, so a
killed run goes on where it was.
"""

import shutil

import numpy as np
import torch
from torch import Tensor

from farfield.datasets.packed import load_images
from farfield.episodes.evaluation import scores
from farfield.settings import configured
from farfield.training.devices import choose_device, deterministic
from farfield.transfer.finetuning.driver import fine_tune_episodes
from farfield.transfer.finetuning.settings import Readout
from farfield.transfer.nearest_centroid import NearestCentroid
from stages.frame import paths
from stages.frame.executor import executor
from stages.frame.leftovers import prune_undeclared
from stages.frame.local import load_local
from stages.frame.models import load_backbone
from stages.frame.params import load_params
from stages.frame.results import answered, cells, save_results
from stages.frame.run import run
from stages.frame.schema.fewshot import AdaptedRow

READOUTS: dict[str, tuple[Readout, ...]] = {
    "head": ("head",),
    "transductive": ("transductive",),
    "centroid": ("support_features", "query_features"),
}


def main(key: str) -> None:
    params, local = load_params(), load_local()
    deterministic()
    device = choose_device(local.device)
    unit = params.fewshot.finetune[key]
    backbone = load_backbone(unit.model)
    readouts = list(dict.fromkeys(name for row in unit.rows.values() for name in READOUTS[row.readout]))
    facts = {**unit.model_dump(), "seed": params.seeds.fewshot, "image_size": params.image_size}
    scratch = paths.scratch(f"finetune {key}", facts, paths.DATA / "packed/target")
    prune_undeclared(params, paths.EPISODES, paths.PACKED_TARGETS, paths.VALID_TARGETS)
    tables = []
    with executor(local, device) as elsewhere:
        for dataset, shot, episodes in cells(params, unit.episodes):
            outputs = fine_tune_episodes(
                backbone,
                load_images(paths.packed(dataset, params.card(dataset))),
                episodes,
                unit.settings,
                readouts,
                image_size=params.image_size,
                seed=params.seeds.fewshot,
                device=device,
                executor=elsewhere,
                scratch=scratch / dataset,
                title=f"{key}, {dataset}, {shot} shots",
            )
            for name, row in unit.rows.items():
                tables.append(answered(name, dataset, shot, scores(logits(row, outputs), episodes)))
    save_results(key, tables)
    shutil.rmtree(scratch, ignore_errors=True)


def logits(row: AdaptedRow, outputs: dict[Readout, np.ndarray]) -> Tensor:
    """[E, way * queries, way], as the row reads it out of the adapted network."""
    read = [torch.from_numpy(outputs[name]) for name in READOUTS[row.readout]]
    if row.readout == "centroid":
        support, query = read
        return configured(NearestCentroid, row.title, row.settings)(support, query)
    return read[0]


if __name__ == "__main__":
    run(main)
