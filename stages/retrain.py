"""retrain@<row>: networks from scratch with fixed policies, to pipelines/sharing/results/<row>/.

Policies that come out alike are trained once. policies.json says which blocks the tasks of each sample run.
"""

import shutil

import torch

from farfield.files import atomic_folder, write_json
from farfield.local import load_local
from farfield.seeds import integer_seed
from farfield.sharing.policies import distinct, policy_hash, random_policies, sampled_policies
from farfield.sharing.policy import Policy
from farfield.training.checkpoints import load_tensors
from stages.frame import paths
from stages.frame.executor import device_of, executor, train_missing
from stages.frame.params import load_params
from stages.frame.run import run
from stages.frame.sharing_tasks import unfinished
from stages.frame.sharing_training import Piece, gather, train


def main(key: str) -> None:
    params, local = load_params(), load_local()
    device = device_of(local)
    section = params.sharing
    row = section.retrained[key]
    found = paths.SHARING / "policies" / row.search
    scratch = unfinished(params, f"retrain {key}", {"row": row.model_dump()}, found)
    pieces, cells, policies = {}, {}, {}
    for name, study in section.studies.items():
        logits = load_tensors(found / f"{name}.safetensors")[0]["logits"]
        policy = Policy(*logits.shape[:2])
        policy.load_state_dict({"logits": logits})
        seed = integer_seed(params.seeds.sharing, name)
        samples = sampled_policies(policy, seed, study.samples)
        if row.policies == "likeliest":
            samples = [policy.most_likely()]
        elif row.policies == "random":
            samples = random_policies(samples, seed)
        # Nobody searched for random policies: their probabilities are how often they run a block.
        drawn = torch.stack(samples).float().mean(0) if row.policies == "random" else policy.select
        policies[name] = {
            "select": drawn.tolist(),
            "runs": [runs.tolist() for runs in samples],
        }
        for digest, runs in distinct(samples).items():
            pieces[name, digest] = Piece(
                name,
                "adashare",
                {"runs": runs.tolist(), "update_skipped": section.protocol == "legacy"},
                "fixed",
                {},
                integer_seed(params.seeds.sharing, name, digest),
                f"{row.title}, {name}, policy {digest}",
                str(device),
                scratch / f"{name}-{digest}",
            )
        for number, runs in enumerate(samples):
            cells[name, number] = pieces[name, policy_hash(runs)].folder
    with executor(local, device, processes=1) as elsewhere:
        train_missing(elsewhere, train, [*pieces.values()])
    with atomic_folder(paths.SHARING / "results" / key) as partial:
        gather(cells, section.protocol, partial)
        write_json(partial / "policies.json", policies)
    shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    run(main)
