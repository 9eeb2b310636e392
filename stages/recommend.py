"""recommend@<row>: the tree that two-task networks recommend for each table, and networks of it trained from
scratch, to pipelines/sharing/results/<row>/.

trees.json says which tasks share each segment of the backbone, and what each two-task network gained.
"""

import shutil
from pathlib import Path

from farfield.files import read_json
from farfield.local import load_local
from farfield.seeds import integer_seed
from farfield.sharing.delta import relative_performance
from farfield.sharing.methods.recommender import Gains, recommended, two_task_networks
from farfield.sharing.methods.tree import cut
from farfield.sharing.trees import Tree, named, trees
from stages.frame.executor import device_of, executor, train_missing
from stages.frame.params import load_params
from stages.frame.run import run
from stages.frame.schema.sharing import Recommended, Study
from stages.frame.sharing_tasks import network_settings, unfinished
from stages.frame.tree_training import TreePiece, train_found, try_tree

Tried = dict[tuple[tuple[int, ...], Tree], TreePiece]  # by tasks


def main(key: str) -> None:
    params, local = load_params(), load_local()
    device = device_of(local)
    row = params.sharing.recommended[key]
    scratch = unfinished(params, f"recommend {key}", {"row": row.model_dump()})
    segments = cut(row.branch_before)
    found, facts = {}, {}
    with executor(local, device, processes=1) as elsewhere:
        for name, study in params.sharing.studies.items():
            seed = integer_seed(params.seeds.sharing, name, "pairs")
            tried = tried_networks(row, name, study, seed, str(device), scratch / "pairs")
            train_missing(elsewhere, try_tree, [*tried.values()])
            gains = gains_of(tried, [*study.tasks])
            backbone = network_settings(study, 0).backbone()
            sizes = [segment.parameters(backbone) for segment in segments]
            best, compared = recommended(len(study.tasks), sizes, gains, row.budget)
            found[name] = best.tree
            facts[name] = {
                "tree": named(best.tree, [*study.tasks]),
                "estimated_gain": best.gain,
                "compared": compared,
                "pairs": [
                    {"tree": named(tree, [[*study.tasks][task] for task in pair]), "gains": gained}
                    for (pair, tree), gained in gains.items()
                ],
            }
        train_found(params, key, row, found, facts, elsewhere, device, scratch)
    shutil.rmtree(scratch, ignore_errors=True)


def tried_networks(row: Recommended, name: str, study: Study, seed: int, device: str, scratch: Path) -> Tried:
    """Short trainings from the same weights on the same batches: of each task alone, all of them as one network
    that shares nothing, and of two-task networks."""
    tasks, segments = tuple(study.tasks), len(row.branch_before) + 1
    everyone = tuple(range(len(tasks)))
    *_, apart = trees(len(tasks), segments)
    wanted = [(everyone, apart), *two_task_networks(len(tasks), segments)]
    return {
        (some, tree): TreePiece(
            name,
            tuple(tasks[task] for task in some),
            tree,
            row.branch_before,
            max(1, round(row.share * study.recipe.iterations)),
            seed,
            f"{row.title}, {name}, {number} of {len(wanted)}",
            device,
            scratch / f"{name}-{number}",
        )
        for number, (some, tree) in enumerate(wanted, 1)
    }


def gains_of(tried: Tried, tasks: list[str]) -> Gains:
    """Relative performance of both tasks of each two-task network, in percent of what they reach alone. A metric
    that is 0 after so short a training has no relative change, nor has a task without any other."""
    alone, *pairs = tried
    reference = {
        task: above
        for task, values in _scores(tried[alone]).items()
        if (above := {metric: value for metric, value in values.items() if value > 0})
    }
    gains = {}
    for pair, tree in pairs:
        scores = _scores(tried[pair, tree])
        known = {
            task: {metric: scores[task][metric] for metric in reference[task]}
            for task in scores
            if task in reference
        }
        deltas = relative_performance(known, reference)[0] if known else {}
        first, second = pair
        gains[(first, second), tree] = (deltas.get(tasks[first], 0.0), deltas.get(tasks[second], 0.0))
    return gains


def _scores(piece: TreePiece) -> dict[str, dict[str, float]]:
    return read_json(piece.folder / "scores.json")


if __name__ == "__main__":
    run(main)
