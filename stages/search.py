"""search@<key>: which blocks each task runs, for every table, to pipelines/sharing/policies/<key>/.

<table>.safetensors has the policy's logits [tasks, blocks, 2]; <table>.json how they came about, an
entry for each alternation.
"""

import shutil

from farfield.files import atomic_folder, write_json
from farfield.local import load_local
from farfield.seeds import integer_seed
from farfield.sharing.methods import build_method
from farfield.sharing.methods.adashare import AdaShare
from farfield.sharing.policy import Policy
from farfield.sharing.search import search
from farfield.training.checkpoints import load_tensors, save_tensors
from farfield.training.devices import choose_device, deterministic
from stages.frame import paths
from stages.frame.params import load_params
from stages.frame.run import run
from stages.frame.schema.sharing import changed
from stages.frame.sharing_tasks import network_settings, study_data, unfinished


def main(key: str) -> None:
    params = load_params()
    deterministic()
    device = choose_device(load_local().device)
    section = params.sharing
    changes = section.searches[key].changes
    warmed = paths.SHARING / "warmup"
    scratch = unfinished(params, f"search {key}", {"changes": changes}, warmed)
    with atomic_folder(paths.SHARING / "policies" / key) as partial:
        for name, study in section.studies.items():
            data = study_data(params, name, device)
            seed = integer_seed(params.seeds.sharing, name, "search")
            network = build_method("adashare", data.channels, network_settings(study, seed))
            assert isinstance(network, AdaShare)
            network.load_state_dict(load_tensors(warmed / f"{name}.safetensors")[0])
            policy = Policy(*network.runs.shape)
            history = search(
                network,
                policy,
                data.train,
                data.objective,
                changed(study.search, changes, f"sharing.searches.{key}"),
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
