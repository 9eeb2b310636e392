"""Meta-training: a learner meets episodes of the source as it will meet those of a target.

An epoch is a list of training episodes (tasks) drawn anew. Every draw is keyed by (seed, epoch,
task), so a run that was killed continues exactly as one that never stopped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from farfield.episodes.sampling import Episodes
from farfield.episodes.statistics import mean_interval
from farfield.errors import InputError
from farfield.metalearning.evaluation import evaluate_meta
from farfield.metalearning.fwt import own_parameters, seed_noise, transform_parameters
from farfield.metalearning.learned_fwt import learning_to_learn_step
from farfield.metalearning.learner import MetaLearner, query_targets
from farfield.metalearning.tasks import Domain, Tasks
from farfield.seeds import integer_seed, stream
from farfield.training.devices import autocast
from farfield.training.loop import run_epochs
from farfield.training.optimizers import make_optimizer, set_learning_rate
from farfield.training.recipe import Recipe, learning_rate
from farfield.training.steps import Curve


@dataclass(frozen=True)
class Episodic:
    """The tasks of a training run; the defaults are BSCD-FSL's (arXiv 1912.07200).

    query: of each class. fewest: if above 0, an episode has as many shots as it draws, from these to
    `shot`. clip_value, clip_norm: bounds of each gradient and then of the length of all; 0: none.
    auxiliary: images of an auxiliary step, where the learner has any. selection: whether the network ends
    with the weights of the last epoch or of the one of the best validation accuracy; without validation the
    last one counts."""

    way: int
    shot: int
    query: int = 16
    episodes_per_epoch: int = 100
    selection: Literal["last", "best"] = "last"
    fewest: int = 0
    clip_value: float = 0.0
    clip_norm: float = 0.0
    auxiliary: int = 64


def meta_train(
    learner: MetaLearner,
    source: Domain,
    recipe: Recipe,
    episodic: Episodic,
    *,
    image_size: int,
    seed: int,
    device: torch.device,
    further: Sequence[Domain] = (),
    validation: Episodes | None = None,
    checkpoint: Path | None = None,
    title: str = "meta-training",
) -> Curve:
    """Train `learner` in place; one row an epoch, as of `farfield.training.loop.run_epochs`.

    There are recipe.epochs times episodes_per_epoch tasks, recipe.batch_size of them in an optimizer
    step, whose losses are averaged or summed as the learner says. further: sources beside the first,
    by which a learned feature-wise transformation is trained, and nothing else. validation: episodes
    of source.images, answered after each epoch. InputError if the loss stops being finite, and if
    the learner and the other arguments do not fit together.
    """
    thetas = list(transform_parameters(learner).values())
    if bool(thetas) != bool(further):
        raise InputError(
            f"a feature-wise transformation is learned from at least two sources, and only it needs more than "
            f"one; found {1 + len(further)} with {'a' if thetas else 'no'} learned transformation"
        )
    if recipe.label_smoothing:
        raise InputError(
            f"label_smoothing is {recipe.label_smoothing}, but a meta-learner defines its own loss; set it to 0"
        )
    learner.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizers = [make_optimizer(recipe, list(own_parameters(learner).values()))]
    if thetas:
        optimizers.append(torch.optim.Adam(thetas, lr=1e-3, weight_decay=1e-8))  # arXiv 2001.08735
    elif learner.auxiliary_probability(0.0):
        optimizers.append(make_optimizer(recipe, list(learner.parameters())))

    def tasks(domain: Domain, epoch: int) -> Tasks:
        episodes = domain.episodes(
            way=episodic.way,
            shot=episodic.shot,
            query=episodic.query,
            episodes=episodic.episodes_per_epoch,
            seed=integer_seed(seed, "tasks", epoch),
        )
        key = (domain.name, epoch)
        return Tasks(domain, episodes, recipe, image_size, device, seed, key, episodic.fewest)

    def train(epoch: int) -> dict[str, float]:
        learner.train()
        if not further:
            return _epoch(learner, optimizers, tasks(source, epoch), epoch, episodic)
        domains = [source, *further]
        seen, unseen = stream(seed, "domains", epoch).choice(len(domains), 2, replace=False)
        pair = tasks(domains[seen], epoch), tasks(domains[unseen], epoch)
        return _learning_to_learn_epoch(learner, optimizers[0], optimizers[1], *pair, epoch)

    def validate(_: nn.Module) -> dict[str, float]:
        assert validation is not None
        figures = mean_accuracy(learner, source.images, validation, image_size=image_size, device=device)
        return {f"validation_{name}": value for name, value in figures.items()}

    return run_epochs(
        learner,
        optimizers,
        recipe,
        train,
        validate=None if validation is None else validate,
        select="validation_accuracy" if episodic.selection == "best" else None,
        checkpoint=checkpoint,
        title=title,
    )


def _epoch(
    learner: MetaLearner,
    optimizers: Sequence[torch.optim.Optimizer],
    tasks: Tasks,
    epoch: int,
    episodic: Episodic,
) -> dict[str, float]:
    optimizer = optimizers[0]
    sums = torch.zeros(2, dtype=torch.float64, device=tasks.device)
    for time, group in tasks.steps():
        rate = learning_rate(tasks.recipe, epoch + time)
        probability = learner.auxiliary_probability((epoch + time) / tasks.recipe.epochs)
        if probability and stream(tasks.seed, "auxiliary", *tasks.key, group.start).random() < probability:
            _auxiliary_step(learner, optimizers[1], rate, tasks, group.start, episodic)
        set_learning_rate(optimizer, rate)
        optimizer.zero_grad(set_to_none=True)
        weight = 1 / len(group) if learner.tasks == "mean" else 1.0
        for part in tasks.parts(group):  # backward after each: the sum is the same
            _seed_draws(learner, tasks, part.start)
            support, query = tasks.batch(part)
            with autocast(tasks.device, tasks.recipe.precision):
                loss, logits = learner.task_loss(support, query, tasks.classes(part))
            (loss * (weight * len(part))).backward()
            target = query_targets(logits.shape[-1], logits.shape[1], logits.device)
            correct = (logits.detach().argmax(-1) == target).double().mean()
            sums += torch.stack([loss.detach().double(), correct]) * len(part)
        _clip(learner, episodic)
        optimizer.step()
    mean_loss, accuracy = (sums / len(tasks.episodes.rows)).tolist()
    return {"train_loss": round(mean_loss, 6), "train_accuracy": round(100 * accuracy, 4)}


def _auxiliary_step(
    learner: MetaLearner,
    optimizer: torch.optim.Optimizer,
    rate: float,
    tasks: Tasks,
    number: int,
    episodic: Episodic,
) -> None:
    set_learning_rate(optimizer, rate)
    optimizer.zero_grad(set_to_none=True)
    with autocast(tasks.device, tasks.recipe.precision):
        loss = learner.auxiliary_loss(*tasks.base_batch(number, episodic.auxiliary))
    loss.backward()
    _clip(learner, episodic)
    optimizer.step()


def _clip(learner: MetaLearner, episodic: Episodic) -> None:
    if episodic.clip_value:
        nn.utils.clip_grad_value_(learner.parameters(), episodic.clip_value)
    if episodic.clip_norm:
        nn.utils.clip_grad_norm_(learner.parameters(), episodic.clip_norm)


def _learning_to_learn_epoch(
    learner: MetaLearner,
    optimizer: torch.optim.Optimizer,
    theta_optimizer: torch.optim.Optimizer,
    seen: Tasks,
    unseen: Tasks,
    epoch: int,
) -> dict[str, float]:
    sums = torch.zeros(2, dtype=torch.float64, device=seen.device)
    for time, group in seen.steps():
        set_learning_rate(optimizer, learning_rate(seen.recipe, epoch + time))
        _seed_draws(learner, seen, group.start)
        batches = seen.batch(group), unseen.batch(group)
        with autocast(seen.device, seen.recipe.precision):
            losses = learning_to_learn_step(learner, optimizer, theta_optimizer, *batches)
        sums += torch.stack(losses).double() * len(group)
    seen_loss, unseen_loss = (sums / len(seen.episodes.rows)).tolist()
    return {"train_loss": round(seen_loss, 6), "unseen_loss": round(unseen_loss, 6)}


def _seed_draws(learner: MetaLearner, tasks: Tasks, task: int) -> None:
    """Key what the network itself draws: dropout and the like, and the feature-wise noise."""
    torch.manual_seed(integer_seed(tasks.seed, "network", *tasks.key, task))
    seed_noise(learner, tasks.seed, *tasks.key, task)


def mean_accuracy(
    learner: MetaLearner, images: Tensor, episodes: Episodes, *, image_size: int, device: torch.device
) -> dict[str, float]:
    """{"accuracy", "ci95"} of `evaluate_meta` over the episodes, in percent."""
    table = evaluate_meta(learner, images, episodes, image_size=image_size, device=device)
    accuracy, ci95 = mean_interval(table["accuracy"])
    return {"accuracy": round(accuracy, 4), "ci95": round(ci95, 4)}
