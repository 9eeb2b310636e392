"""indomain@<row>: a row of the in-domain table, trained in both of its columns and tested, on every
dataset.

The columns are `own`, by the recipe of its paper, and `common`, by the one recipe that all rows share. To
pipelines/indomain/: results/<row>.parquet, one row an episode: method, dataset, shot, column, trained
(whether the answer is that of before or after training), episode, accuracy in percent; training/<row>.json,
the facts and the curves; models/<row>/<dataset>-<column>-<number>.safetensors, what was trained. Finished
trainings are kept outside the outputs, so a killed run goes on where it was."""

import shutil

from farfield.files import atomic_file, atomic_folder, read_json, write_json
from farfield.local import load_local
from farfield.training.checkpoints import load_tensors, save_tensors
from stages.frame import paths
from stages.frame.executor import device_of, executor, train_missing
from stages.frame.indomain_training import FEATURES, Piece, common, train
from stages.frame.leftovers import prune_undeclared
from stages.frame.params import load_params
from stages.frame.run import run


def main(key: str) -> None:
    import pandas as pd

    params, local = load_params(), load_local()
    device = device_of(local)
    prune_undeclared(params, paths.PACKED_SOURCES, paths.VALID_SOURCES, FEATURES)
    row, study = params.indomain.rows[key], params.indomain
    facts = {
        "row": row.model_dump(),
        "study": study.model_dump(exclude={"rows"}),
        "seed": params.seeds.metatrain,
    }
    packed = [paths.packed(name, params.card(name)) for name in study.datasets]
    scratch = paths.scratch(f"indomain {key}", facts, FEATURES, *packed)
    pieces = {
        f"{dataset}-{name}-{number}": Piece(
            key,
            dataset,
            name,
            number,
            tuple(study.shots) if len(column.networks) == 1 else (study.shots[number],),
            str(device),
            scratch / f"{dataset}-{name}-{number}",
        )
        for dataset in study.datasets
        for name, column in (("own", row.own), ("common", common(row, study.common)))
        for number in range(len(column.networks))
    }
    with executor(local, device, processes=1) as elsewhere:
        train_missing(elsewhere, train, [*pieces.values()])
    folders = [piece.folder for piece in pieces.values()]
    with atomic_folder(paths.INDOMAIN / "models" / key) as models:
        for name, piece in pieces.items():
            save_tensors(models / f"{name}.safetensors", *load_tensors(piece.folder / "network.safetensors"))
    tables = [pd.read_parquet(folder / "answers.parquet") for folder in folders]
    with atomic_file(paths.INDOMAIN / "results" / f"{key}.parquet") as partial:
        pd.concat(tables, ignore_index=True).to_parquet(partial, index=False)
    told = {"device": device.type, "networks": [read_json(folder / "facts.json") for folder in folders]}
    write_json(paths.INDOMAIN / "training" / f"{key}.json", told)
    shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    run(main)
