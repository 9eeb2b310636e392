"""baseline@<row>: a multi-task network on every table, to pipelines/sharing/results/<row>/.

Finished trainings are kept outside the outputs, so a killed run goes on where it was.
"""

import shutil

from farfield.files import atomic_folder
from farfield.local import load_local
from farfield.seeds import integer_seed
from stages.frame import paths
from stages.frame.executor import device_of, executor, train_missing
from stages.frame.leftovers import prune_undeclared
from stages.frame.params import load_params
from stages.frame.run import run
from stages.frame.sharing_tasks import unfinished
from stages.frame.sharing_training import Piece, gather, train


def main(key: str) -> None:
    params, local = load_params(), load_local()
    prune_undeclared(params, paths.PACKED_DENSE, paths.VALID_DENSE)
    device = device_of(local)
    section = params.sharing
    row = section.baselines[key]
    scratch = unfinished(params, f"baseline {key}", {"row": row.model_dump()})
    alone = row.method == "constant"  # what looks at no image needs no replicates
    pieces = {
        (name, replicate): Piece(
            name,
            row.method,
            row.settings,
            row.weighting.name,
            row.weighting.settings,
            integer_seed(params.seeds.sharing, name, replicate),
            f"{row.title}, {name}, {replicate + 1} of {study.replicates}",
            str(device),
            scratch / (name if alone else f"{name}-{replicate}"),
        )
        for name, study in section.studies.items()
        for replicate in range(1 if alone else study.replicates)
    }
    with executor(local, device, processes=1) as elsewhere:
        train_missing(elsewhere, train, [*pieces.values()])
    with atomic_folder(paths.SHARING / "results" / key) as partial:
        gather({cell: piece.folder for cell, piece in pieces.items()}, section.protocol, partial)
    shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    run(main)
