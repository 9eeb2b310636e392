"""transfer@<method>: a row on frozen features, all targets and shots, to results/<method>.parquet."""

import sys

import numpy as np
from tqdm import tqdm

from farfield.episodes.evaluation import evaluate
from farfield.files import read_json
from farfield.local import load_local
from farfield.training.devices import choose_device, deterministic
from farfield.transfer.blocks import over_views, reading
from farfield.transfer.feature_learners import feature_learner
from stages.frame import paths
from stages.frame.leftovers import ANSWERED_FOLDERS, prune_undeclared
from stages.frame.params import load_params
from stages.frame.results import answered, cells, save_results
from stages.frame.run import run


def main(method: str) -> None:
    params = load_params()
    deterministic()
    device = choose_device(load_local().device)
    spec = params.fewshot.transfer[method]
    learner = feature_learner(spec.learner, params.seeds.fewshot, spec.settings)
    folder = paths.FEWSHOT / spec.reads / spec.model
    read, classify = reading(learner, read_json(folder / "columns.json"))
    if spec.reads == "views":
        classify = over_views(classify)
    prune_undeclared(params, *ANSWERED_FOLDERS)
    tables = []
    for dataset, shot, episodes in tqdm(
        [*cells(params, spec.episodes)], desc=spec.title, unit="cell", file=sys.stderr
    ):
        features = np.load(folder / f"{dataset}.npy", mmap_mode="r")[..., read]
        tables.append(answered(method, dataset, shot, evaluate(classify, features, episodes, device)))
    save_results(method, tables)


if __name__ == "__main__":
    run(main)
