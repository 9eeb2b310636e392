"""baseline@<row>: a multi-task network on every table, to pipelines/sharing/results/<row>/.

Finished trainings are kept outside the outputs, so a killed run goes on where it was.
"""

import shutil

from farfield.files import atomic_folder
from farfield.seeds import integer_seed
from farfield.sharing.methods import build_method, constant_predictor
from farfield.sharing.weighting import build_weighting
from farfield.training.devices import choose_device, deterministic
from stages.frame import paths
from stages.frame.leftovers import prune_undeclared
from stages.frame.local import load_local
from stages.frame.params import load_params
from stages.frame.run import run
from stages.frame.sharing_tasks import network_settings, study_data, unfinished
from stages.frame.sharing_training import gather, score, train_network


def main(key: str) -> None:
    params = load_params()
    prune_undeclared(params, paths.PACKED_DENSE, paths.VALID_DENSE)
    deterministic()
    device = choose_device(load_local().device)
    section = params.sharing
    row = section.baselines[key]
    scratch = unfinished(params, f"baseline {key}", {"row": row.model_dump()})
    folders = {}
    for name, study in section.studies.items():
        data = study_data(params, name, device)
        if row.method == "constant":
            folders[name, 0] = scratch / name
            predictor = constant_predictor(data.train, data.channels, study.class_weights)
            score(predictor, study, data, None, device, scratch / name)
            continue
        for replicate in range(study.replicates):
            seed = integer_seed(params.seeds.sharing, name, replicate)
            folder = folders[name, replicate] = scratch / f"{name}-{replicate}"
            network = build_method(row.method, data.channels, network_settings(study, seed), **row.settings)
            title = f"{row.title}, {name}, {replicate + 1} of {study.replicates}"
            weighting = build_weighting(row.weighting.name, data.objective, seed, **row.weighting.settings)
            train_network(network, weighting, study, data, seed, device, folder, title)
    with atomic_folder(paths.SHARING / "results" / key) as partial:
        gather(folders, section.protocol, partial)
    shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    run(main)
