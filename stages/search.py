"""search@<key>: which blocks each task runs, for every table, to pipelines/adashare/policies/<key>/.

<table>.safetensors has the policy's logits [tasks, blocks, 2]; <table>.json how they came about, an
entry for each alternation.
"""

import shutil

from farfield.files import atomic_folder, write_json
from farfield.multitask.methods import build_method
from farfield.multitask.methods.shared import Shared
from farfield.multitask.policy import Policy
from farfield.multitask.search import search
from farfield.seeds import integer_seed
from farfield.training.checkpoints import load_tensors, save_tensors
from farfield.training.devices import choose_device, deterministic
from stages.frame import paths
from stages.frame.dense_tasks import network_settings, study_data, unfinished
from stages.frame.local import load_local
from stages.frame.params import load_params
from stages.frame.run import run
from stages.frame.schema.multitask import changed


def main(key: str) -> None:
    params = load_params()
    deterministic()
    device = choose_device(load_local().device)
    section = params.adashare
    changes = section.searches[key].changes
    warmed = paths.ADASHARE / "warmup"
    scratch = unfinished(params, f"search {key}", {"changes": changes}, warmed)
    with atomic_folder(paths.ADASHARE / "policies" / key) as partial:
        for name, study in section.studies.items():
            data = study_data(params, name, device)
            seed = integer_seed(params.seeds.multitask, name, "search")
            network = build_method("shared", data.channels, network_settings(study, seed))
            assert isinstance(network, Shared)
            network.load_state_dict(load_tensors(warmed / f"{name}.safetensors")[0])
            policy = Policy(*network.runs.shape)
            history = search(
                network,
                policy,
                data.train,
                data.objective,
                changed(study.search, changes, f"adashare.searches.{key}"),
                seed=seed,
                device=device,
                checkpoint=scratch / f"{name}.safetensors",
                title=f"{key}, {name}",
            )
            save_tensors(partial / f"{name}.safetensors", {"logits": policy.logits})
            write_json(partial / f"{name}.json", history)
    shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    run(main)
