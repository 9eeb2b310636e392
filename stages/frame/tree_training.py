"""Networks that branch as a tree says, trained and scored, for the stages that find such trees."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from farfield.execution import Executor
from farfield.files import atomic_folder, write_json
from farfield.seeds import integer_seed
from farfield.sharing.evaluation import evaluate
from farfield.sharing.methods.tree import TreeNetwork, cut
from farfield.sharing.objective import Objective
from farfield.sharing.training import fit
from farfield.sharing.trees import Tree
from farfield.sharing.weighting.fixed import Fixed
from farfield.training.devices import deterministic
from stages.frame import paths
from stages.frame.executor import train_missing
from stages.frame.finished import seal
from stages.frame.params import Params, load_params
from stages.frame.schema.sharing import Treelike
from stages.frame.sharing_tasks import network_settings
from stages.frame.sharing_training import data_of, evaluation, gather, train_network


class TreePiece(NamedTuple):
    """A network of some tasks of a table: all that a process needs to train it, and `folder` where to.

    iterations: of its training, those of the study if it has all tasks. Tasks of `tree` are those of `tasks`, in
    their order.
    """

    study: str
    tasks: tuple[str, ...]
    tree: Tree
    branch_before: tuple[int, ...]
    iterations: int
    seed: int
    title: str
    device: str
    folder: Path


def train_tree(piece: TreePiece) -> None:
    """Train a network of all tasks as those of every row, and leave its scores on the test images in `folder`."""
    deterministic()
    study, device = load_params().sharing.studies[piece.study], torch.device(piece.device)
    data, settings = data_of(piece.study, piece.device), network_settings(study, piece.seed)
    network = TreeNetwork(data.channels, settings, piece.tree, cut(piece.branch_before))
    # By the published convention every task runs the backbone for itself, however much of it is shared.
    whole = torch.ones(len(data.channels), len(network.trunks[0].blocks), dtype=torch.bool)
    weighting = Fixed(data.objective, piece.seed)
    train_network(network, weighting, whole, study, data, piece.seed, device, piece.folder, piece.title)


def try_tree(piece: TreePiece) -> None:
    """Train a network of some tasks, and leave its scores on the images held out for selection in `folder`."""
    deterministic()
    study, device = load_params().sharing.studies[piece.study], torch.device(piece.device)
    data = data_of(piece.study, piece.device)
    channels = {task: data.channels[task] for task in piece.tasks}
    objective = Objective(
        {task: data.objective.tasks[task] for task in piece.tasks},
        {task: data.objective.weights[task] for task in piece.tasks},
    )
    train, selection = (
        replace(part, targets={task: part.targets[task] for task in piece.tasks})
        for part in (data.train, data.selection)
    )
    network = TreeNetwork(channels, network_settings(study, piece.seed), piece.tree, cut(piece.branch_before))
    fit(
        network,
        train,
        objective,
        Fixed(objective, piece.seed),
        replace(study.recipe, iterations=piece.iterations),
        seed=piece.seed,
        device=device,
        title=piece.title,
    )
    scores = evaluate(network, selection, objective.tasks, device=device, **evaluation(study))
    write_json(piece.folder / "scores.json", scores)
    seal(piece.folder)


def train_found(
    params: Params,
    key: str,
    row: Treelike,
    trees: Mapping[str, Tree],
    facts: Mapping[str, Any],
    elsewhere: Executor,
    device: torch.device,
    scratch: Path,
) -> None:
    """Fill a row's folder with networks of the tree of each table, trained from the beginning with the seeds of
    a baseline's; `facts` of each, how its tree came about, are trees.json."""
    section = params.sharing
    pieces = {
        (name, replicate): TreePiece(
            name,
            tuple(study.tasks),
            trees[name],
            row.branch_before,
            study.recipe.iterations,
            integer_seed(params.seeds.sharing, name, replicate),
            f"{row.title}, {name}, {replicate + 1} of {study.replicates}",
            str(device),
            scratch / f"{name}-{replicate}",
        )
        for name, study in section.studies.items()
        for replicate in range(study.replicates)
    }
    train_missing(elsewhere, train_tree, [*pieces.values()])
    with atomic_folder(paths.SHARING / "results" / key) as partial:
        gather({cell: piece.folder for cell, piece in pieces.items()}, section.protocol, partial)
        write_json(partial / "trees.json", facts)
