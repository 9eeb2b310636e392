"""warmup: the weights that every search of a table begins with, to pipelines/sharing/warmup/."""

import shutil
from dataclasses import replace

from farfield.files import atomic_folder
from farfield.local import load_local
from farfield.seeds import integer_seed
from farfield.sharing.methods.multi_task import MultiTask
from farfield.sharing.training import fit
from farfield.sharing.weighting.fixed import Fixed
from farfield.training.checkpoints import save_tensors
from farfield.training.devices import choose_device, deterministic
from stages.frame import paths
from stages.frame.leftovers import prune_undeclared
from stages.frame.params import load_params
from stages.frame.run import run
from stages.frame.sharing_tasks import network_settings, study_data, unfinished


def main() -> None:
    params = load_params()
    prune_undeclared(params, paths.PACKED_DENSE, paths.VALID_DENSE)
    deterministic()
    device = choose_device(load_local().device)
    section = params.sharing
    scratch = unfinished(params, "warmup", {})
    with atomic_folder(paths.SHARING / "warmup") as partial:
        for name, study in section.studies.items():
            data = study_data(params, name, device)
            seed = integer_seed(params.seeds.sharing, name, "search")
            network = MultiTask(data.channels, network_settings(study, seed))
            fit(
                network,
                data.train,
                data.objective,
                Fixed(data.objective, seed),
                replace(study.recipe, iterations=study.warm_up),
                seed=seed,
                device=device,
                checkpoint=scratch / f"{name}.safetensors",
                title=f"warm-up, {name}",
            )
            save_tensors(partial / f"{name}.safetensors", network.state_dict())
    shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    run(main)
