"""AdaShare's search: weights and policy take turns until each task has its blocks (arXiv 1911.12423).

In an alternation the weights are trained with the policy's mixtures of executed and skipped blocks, then
the policy's logits on images that the weights do not see. Every draw is keyed by the step, so that a search
may stop and go on anywhere.
"""

from pathlib import Path

import torch
from torch import Tensor

from farfield.sharing.alternation import descend, turn_batches, weight_optimizer
from farfield.sharing.batches import seed_networks
from farfield.sharing.dense import DenseImages
from farfield.sharing.methods.adashare import AdaShare
from farfield.sharing.objective import Objective, check_finite, means
from farfield.sharing.policy import Policy
from farfield.sharing.policy_losses import sharing, sparsity
from farfield.sharing.recipe import SearchRecipe
from farfield.sharing.schedule import Moment, schedule
from farfield.sharing.splitting import split
from farfield.training.devices import autocast
from farfield.training.steps import Curve, Row, train_steps


def search(
    network: AdaShare,
    policy: Policy,
    data: DenseImages,
    objective: Objective,
    recipe: SearchRecipe,
    *,
    seed: int,
    device: torch.device,
    checkpoint: Path | None = None,
    checkpoint_every: int = 1000,
    title: str = "search",
) -> Curve:
    """Search with a network that is warmed up; network and policy are changed in place.

    Returns a row an alternation: `alternation` from 1, `opened`, `temperature`, `select` [K][L], the
    probabilities to execute at its end, means over its steps of the losses, loss_<task> of the weights'
    and policy_loss_<task> of the policy's, `sparsity`, `sharing`, and `logit_gradient`, the norm of what
    reached the logits. checkpoint: written every so many steps and at the end; if it exists, the search
    goes on from it. InputError if a loss is not finite, before weights or logits take it in.
    """
    network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    policy.to(device)
    parts = split(data, recipe.share, seed)
    plan = schedule(recipe, len(parts[0]), len(parts[1]), policy.blocks)
    run = _Search(network, policy, objective, recipe, parts, seed, device)
    network.train()
    history = train_steps(
        network,
        [run.weights, run.logits],
        len(plan),
        lambda number: run.step(plan[number]),
        lambda done, steps: _row(plan[done - 1], policy, objective, steps, plan.weight_steps),
        ends_row=lambda done: plan[done - 1].last,
        beside={"policy": policy},
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        title=title,
    )
    network.requires_grad_(True)
    return history


class _Search:
    """What the steps of a search work on."""

    def __init__(
        self,
        network: AdaShare,
        policy: Policy,
        objective: Objective,
        recipe: SearchRecipe,
        parts: tuple[DenseImages, DenseImages],
        seed: int,
        device: torch.device,
    ) -> None:
        self.network, self.policy, self.objective, self.recipe = network, policy, objective, recipe
        self.seed, self.device = seed, device
        self.batches = turn_batches(parts, recipe, seed, "policy")
        self.weights = weight_optimizer(network, recipe)
        self.logits = torch.optim.Adam([policy.logits], lr=recipe.policy_rate)
        self.lambdas = objective.lambdas(device)

    def step(self, moment: Moment) -> list[float]:
        """One step of the weights or of the policy; returns its figures."""
        # Frozen weights cost no gradient, nor does the way to the first open block.
        self.network.requires_grad_(moment.on_weights)
        seed_networks(self.device, self.seed, "search", moment.step)
        noise = self.policy.noise(self.seed, "search", moment.step)
        mix = self.policy.mix(moment.temperature, moment.opened, noise, self.recipe.hard)
        images, targets = self.batches[moment.on_weights].batch(moment.turn, self.device)
        with autocast(self.device, self.recipe.precision):
            predictions = self.network.mixed(
                images, mix.detach() if moment.on_weights else mix, moment.opened
            )
        losses = self.objective.losses(predictions, targets)
        if moment.on_weights:
            return descend(losses, self.lambdas, self.weights, self.objective, moment.step)
        return self._policy_step(losses, moment)

    def _policy_step(self, losses: Tensor, moment: Moment) -> list[float]:
        recipe, logits = self.recipe, self.policy.logits
        skips = sparsity(logits, moment.opened, recipe.sparsity_form)
        shares = sharing(logits, moment.opened, recipe.sharing_form, recipe.sharing_weight, recipe.sharing_on)
        self.logits.zero_grad(set_to_none=True)
        (losses @ self.lambdas + recipe.sparsity * skips + recipe.sharing * shares).backward()
        assert logits.grad is not None
        figures = torch.cat([losses, torch.stack([skips, shares, logits.grad.norm()])]).tolist()
        check_finite(figures, self.objective, moment.step)
        # Adam's own weight decay would also draw closed blocks' logits together, which have no say yet.
        closed = self.policy.blocks - moment.opened
        logits.grad[:, closed:] += recipe.policy_weight_decay * logits.detach()[:, closed:]
        self.logits.step()
        return figures


def _row(
    moment: Moment, policy: Policy, objective: Objective, figures: list[list[float]], weight_steps: int
) -> Row:
    """figures: of all steps of an alternation, of which the first are on the weights."""
    names = [f"policy_loss_{task}" for task in objective.tasks] + ["sparsity", "sharing", "logit_gradient"]
    return {
        "alternation": moment.alternation + 1,
        "opened": moment.opened,
        "temperature": moment.temperature,
        "select": policy.select.tolist(),
        **means([f"loss_{task}" for task in objective.tasks], figures[:weight_steps]),
        **means(names, figures[weight_steps:]),
    }
