"""transductive@<row>: a head that sees all queries at once, on frozen features of all targets and shots.

To pipelines/fewshot/transductive/results/<row>.parquet, one row an episode and kind of queries: method, dataset,
shot, queries (balanced, or dirichlet: a part of them with shares drawn from `seeds.episodes`), episode, accuracy
in percent, and the predicted ways of the queries that were asked.
"""

import sys

import numpy as np
from tqdm import tqdm

from farfield.episodes.imbalance import dirichlet_queries
from farfield.files import atomic_file, read_json
from farfield.local import load_local
from farfield.training.devices import choose_device, deterministic
from farfield.transfer.blocks import reading
from farfield.transfer.feature_learners import feature_learner
from farfield.transfer.transductive import transductive_head
from farfield.transfer.transductive.evaluation import evaluate, starting
from stages.frame import paths
from stages.frame.leftovers import ANSWERED_FOLDERS, prune_undeclared
from stages.frame.params import load_params
from stages.frame.results import answered, cells
from stages.frame.run import run


def main(row: str) -> None:
    import pandas as pd

    params = load_params()
    deterministic()
    device = choose_device(load_local().device)
    spec = params.fewshot.transductive[row]
    head = transductive_head(spec.head, spec.settings)
    folder = paths.FEWSHOT / "features" / spec.model
    columns = read_json(folder / "columns.json")
    begin = None
    if spec.start:
        learner = feature_learner(spec.start.learner, params.seeds.fewshot, spec.start.settings)
        begin = reading(learner, columns)
    prune_undeclared(params, *ANSWERED_FOLDERS)
    tables = []
    for dataset, shot, episodes in tqdm(
        [*cells(params, spec.episodes)], desc=spec.title, unit="cell", file=sys.stderr
    ):
        stored = np.load(folder / f"{dataset}.npy", mmap_mode="r")
        count, way, images = episodes.rows.shape
        asked = dirichlet_queries(
            params.seeds.episodes, dataset, way=way, shot=shot, query=images - shot, episodes=count
        )
        start = starting(begin[1], stored[:, begin[0]], episodes, device) if begin else None
        table = evaluate(head, start, stored[:, slice(*columns["features"])], episodes, asked, device)
        tables.append(answered(row, dataset, shot, table))
    with atomic_file(paths.FEWSHOT / "transductive/results" / f"{row}.parquet") as partial:
        pd.concat(tables, ignore_index=True).to_parquet(partial, index=False)


if __name__ == "__main__":
    run(main)
