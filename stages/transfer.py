"""transfer@<method>: one row of the table, all targets and shots, to results/<method>.parquet.

A row of the file is an episode: dataset, shot, episode, accuracy in percent, predicted ways.
"""

import sys

import numpy as np
import pandas as pd
from tqdm import tqdm

from farfield.episodes.evaluation import evaluate
from farfield.episodes.sampling import load_episodes
from farfield.files import atomic_file, read_json
from farfield.training.devices import choose_device, deterministic
from farfield.transfer import feature_learner
from stages import paths
from stages.local import load_local
from stages.params import load_params
from stages.run import run


def main(method: str) -> None:
    params = load_params()
    paths.prune(paths.DATA / "episodes", (f"{name}.npz" for name in params.fewshot.targets))
    deterministic()
    device = choose_device(load_local().device)
    spec = params.fewshot.methods[method]
    learner = feature_learner(spec.learner, params.seeds.transfer, spec.settings)
    folder = paths.FEWSHOT / "features" / spec.model
    first, last = read_json(folder / "columns.json")["features"]
    tables = []
    cells = [(name, shot) for name, target in params.fewshot.targets.items() for shot in target.shots]
    for dataset, shot in tqdm(cells, desc=spec.title, unit="cell", file=sys.stderr):
        features = np.load(folder / f"{dataset}.npy", mmap_mode="r")[:, first:last]
        episodes = load_episodes(paths.episodes(dataset))[shot]
        table = evaluate(learner, features, episodes, device)
        table.insert(0, "dataset", dataset)
        table.insert(1, "shot", np.int32(shot))
        tables.append(table)
    with atomic_file(paths.FEWSHOT / "results" / f"{method}.parquet") as partial:
        pd.concat(tables, ignore_index=True).to_parquet(partial, index=False)


if __name__ == "__main__":
    run(main)
