"""Learning to Branch (Guo, Lee and Ulbricht, ICML 2020, arXiv 2006.01895): a tree by gradient descent.

Each segment of the backbone has as many nodes as there are tasks. Node j of a segment draws node i of the one
before as its parent with the Gumbel softmax of logits theta_ij, and so do the heads; weights and logits take
turns on two parts of the training images, as in AdaShare's search. In the end each node keeps its likeliest
parent, and what no task comes from is pruned: a tree, which is trained from the beginning.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.errors import InputError
from farfield.seeds import stream
from farfield.sharing.alternation import descend, turn_batches, weight_optimizer
from farfield.sharing.batches import seed_networks
from farfield.sharing.dense import DenseImages
from farfield.sharing.methods.network import NetworkSettings, TaskNetwork, Tasks
from farfield.sharing.methods.tree import Segment
from farfield.sharing.objective import Objective, means
from farfield.sharing.recipe import SearchRecipe
from farfield.sharing.schedule import Moment, schedule
from farfield.sharing.splitting import split
from farfield.sharing.trees import Tree, traced
from farfield.training.devices import autocast
from farfield.training.steps import Curve, train_steps


class Branching(nn.Module):
    """Logits [S, K, K] of S segments and K tasks: of node j of the next segment, or of task j's head after the
    last one, to read from node i. They start equal."""

    def __init__(self, segments: int, tasks: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(segments, tasks, tasks))

    @property
    def probabilities(self) -> Tensor:
        """[S, K, K], over parents."""
        return self.logits.detach().softmax(-1)

    def noise(self, seed: int, *key: str | int) -> Tensor:
        """Gumbel noise [S, K, K] for one forward pass: one draw for the whole batch."""
        drawn = stream(seed, "gumbel", *key).gumbel(size=tuple(self.logits.shape))
        return torch.from_numpy(drawn).to(self.logits)

    def mix(self, temperature: float, noise: Tensor, hard: bool = False) -> Tensor:
        """Shares [S, K, K] of the parents, softmax((logits + noise) / temperature).

        hard: the largest share is 1 and the others 0, exactly, and the gradient is that of the softmax.
        InputError if the temperature is not above 0.
        """
        if not temperature > 0:
            raise InputError(f"The temperature must be above 0, found {temperature}")
        mix = torch.softmax((self.logits + noise) / temperature, -1)
        if not hard:
            return mix
        return F.one_hot(mix.argmax(-1), mix.shape[-1]).to(mix) + (mix - mix.detach())

    def likeliest(self) -> Tree:
        """Each node with its likeliest parent, the first of equal ones."""
        return traced(self.logits.argmax(-1).tolist())


class BranchingNetwork(TaskNetwork):
    """What is searched: K nodes of every segment, each a part of a backbone of its own."""

    def __init__(self, tasks: Tasks, settings: NetworkSettings, segments: Sequence[Segment]) -> None:
        super().__init__(tasks, settings, [settings.backbone() for _ in tasks])
        self.segments = tuple(segments)

    def start_from(self, warmed: Mapping[str, Tensor]) -> None:
        """Let all nodes have the weights of the multi-task network `warmed`; where tasks have a BatchNorm
        each in it, backbone j takes that of task j."""
        state = {}
        for name, own in self.state_dict().items():
            place, *rest = name.removeprefix("backbones.").split(".", 1)
            given = warmed[f"backbones.0.{rest[0]}" if name.startswith("backbones.") else name]
            state[name] = given if given.shape == own.shape else given[int(place)]
        self.load_state_dict(state)

    def mixed(self, images: Tensor, mix: Tensor) -> dict[str, Tensor]:
        """Predictions where nodes and heads read mixtures of the nodes before, by `Branching.mix`."""
        maps = [images] * len(self.tasks)
        for segment, shares in zip(self.segments, mix, strict=True):
            nodes = torch.stack([segment.run(b, x) for b, x in zip(self.trunks, maps, strict=True)])
            maps = [*torch.einsum("ji,inchw->jnchw", shares.to(nodes.dtype), nodes).unbind()]
        return self.predict(maps)


def search_tree(
    network: BranchingNetwork,
    branching: Branching,
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
    """Search with a network that is warmed up; network and logits are changed in place.

    recipe: of AdaShare's search; curriculum, sparsity and sharing have no meaning here.

    Returns a row an alternation: `alternation` from 1, `temperature`, `probabilities` [S][K][K] at its end,
    and means over its steps of the losses, loss_<task> of the weights' and branch_loss_<task> of the logits'.
    checkpoint: written every so many steps and at the end; if it exists, the search goes on from it.
    InputError if a loss is not finite, before weights or logits take it in.
    """
    network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    branching.to(device)
    parts = split(data, recipe.share, seed)
    plan = schedule(recipe, len(parts[0]), len(parts[1]), len(network.segments))
    batches = turn_batches(parts, recipe, seed, "branching")
    weights = weight_optimizer(network, recipe)
    logits = torch.optim.Adam(
        branching.parameters(), lr=recipe.policy_rate, weight_decay=recipe.policy_weight_decay
    )
    lambdas = objective.lambdas(device)

    def step(number: int) -> list[float]:
        moment = plan[number]
        network.requires_grad_(moment.on_weights)
        branching.requires_grad_(not moment.on_weights)
        seed_networks(device, seed, "branching", number)
        mix = branching.mix(moment.temperature, branching.noise(seed, "branching", number), recipe.hard)
        images, targets = batches[moment.on_weights].batch(moment.turn, device)
        with autocast(device, recipe.precision):
            predictions = network.mixed(images, mix)
        losses = objective.losses(predictions, targets)
        return descend(losses, lambdas, weights if moment.on_weights else logits, objective, number)

    network.train()
    history = train_steps(
        network,
        [weights, logits],
        len(plan),
        step,
        lambda done, figures: _row(plan[done - 1], branching, objective, figures, plan.weight_steps),
        ends_row=lambda done: plan[done - 1].last,
        beside={"branching": branching},
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        title=title,
    )
    network.requires_grad_(True)
    branching.requires_grad_(True)
    return history


def _row(
    moment: Moment, branching: Branching, objective: Objective, figures: list[list[float]], weight_steps: int
) -> dict[str, object]:
    """figures: of all steps of an alternation, of which the first are on the weights."""
    return {
        "alternation": moment.alternation + 1,
        "temperature": moment.temperature,
        "probabilities": branching.probabilities.tolist(),
        **means([f"loss_{task}" for task in objective.tasks], figures[:weight_steps]),
        **means([f"branch_loss_{task}" for task in objective.tasks], figures[weight_steps:]),
    }
