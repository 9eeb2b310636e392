"""branch@<row>: a tree learned by Learning to Branch for each table, and networks of it trained from scratch,
to pipelines/sharing/results/<row>/.

trees.json says which tasks share each segment of the backbone, and how that came about.
"""

import shutil

from farfield.local import load_local
from farfield.seeds import integer_seed
from farfield.sharing.methods.branching import Branching, BranchingNetwork, search_tree
from farfield.sharing.methods.tree import cut
from farfield.sharing.trees import named
from farfield.training.checkpoints import load_tensors
from farfield.training.devices import deterministic
from stages.frame import paths
from stages.frame.executor import device_of, executor
from stages.frame.params import load_params
from stages.frame.run import run
from stages.frame.schema.sharing import changed
from stages.frame.sharing_tasks import network_settings, study_data, unfinished
from stages.frame.tree_training import train_found


def main(key: str) -> None:
    params, local = load_params(), load_local()
    deterministic()
    device = device_of(local)
    row = params.sharing.branched[key]
    warmed = paths.SHARING / "warmup"
    scratch = unfinished(params, f"branch {key}", {"row": row.model_dump()}, warmed)
    segments = cut(row.branch_before)
    trees, facts = {}, {}
    for name, study in params.sharing.studies.items():
        data = study_data(params, name, device)
        seed = integer_seed(params.seeds.sharing, name, "search")
        network = BranchingNetwork(data.channels, network_settings(study, seed), segments)
        network.start_from(load_tensors(warmed / f"{name}.safetensors")[0])
        branching = Branching(len(segments), len(data.channels))
        history = search_tree(
            network,
            branching,
            data.train,
            data.objective,
            changed(study.search, row.changes, f"sharing.branched.{key}"),
            seed=seed,
            device=device,
            checkpoint=scratch / f"{name}.safetensors",
            title=f"{row.title}, {name}",
        )
        trees[name] = branching.likeliest()
        facts[name] = {"tree": named(trees[name], [*data.channels]), "history": history}
    with executor(local, device, processes=1) as elsewhere:
        train_found(params, key, row, trees, facts, elsewhere, device, scratch)
    shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    run(main)
