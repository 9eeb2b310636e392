"""Any residual network with a frozen and a tuned branch of its blocks (SpotTune, arXiv 1811.08737).

In training both branches of a block see the whole batch, since the policy's gradient needs the outputs
of both and BatchNorm the statistics. In evaluation each sees only the images that take it.
"""

import copy
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from farfield.backbones.channels import channels_of, with_channels
from farfield.errors import InputError
from farfield.settings import Positive
from farfield.tuning.adapted import FrozenNorm, check_norm, freeze
from farfield.tuning.decisions import Override, decide
from farfield.tuning.gumbel import straight_through
from farfield.tuning.partition import Rows, partition, take
from farfield.tuning.policy import PolicyNet, PolicyRecord, tuned_probability
from farfield.tuning.residual import residual_blocks

Stem = Literal["trained", "frozen"]
RoutedPart = Literal["all", "last8"] | Positive


class Blend(torch.autograd.Function):
    """Rows of `tuned` [n, C, h, w] where the action [n] is 1, of `frozen` where it is 0, bit for bit.

    The gradient is that of (1 - a) frozen + a tuned: an action gets the sum of g (tuned - frozen). It
    keeps both maps and no difference: they are outputs of a ReLU, whose own gradient keeps them anyway.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, frozen: Tensor, tuned: Tensor, actions: Tensor) -> Tensor:
        ctx.save_for_backward(frozen, tuned, actions)
        return torch.where(actions.bool()[:, None, None, None], tuned, frozen)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        frozen, tuned, actions = ctx.saved_tensors
        to_tuned = gradient * actions[:, None, None, None].to(gradient.dtype)
        to_frozen = gradient - to_tuned if ctx.needs_input_grad[0] else None
        to_actions = None
        if ctx.needs_input_grad[2]:
            to_actions = (tuned - frozen).mul_(gradient).sum((1, 2, 3), dtype=actions.dtype)
        return to_frozen, to_tuned, to_actions


class RoutedBlock(nn.Module):
    """A block in two branches. `route` says how the next batch goes through it: a tensor of actions
    [n], 0 or 1, for both branches and a blend, or the rows that each branch is to see."""

    def __init__(self, frozen: nn.Module, tuned: nn.Module) -> None:
        super().__init__()
        self.frozen = frozen
        self.tuned = tuned
        self.route: Tensor | Rows | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.route is None:
            raise RuntimeError("a routed block runs only as part of its Routed network")
        if isinstance(self.route, Tensor):
            return Blend.apply(self.frozen(x), self.tuned(x), self.route)
        branches = zip((self.frozen, self.tuned), self.route, strict=True)
        parts = [branch(take(x, rows)) for branch, rows in branches if len(rows)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)


class Routed(nn.Module):
    """A classifier whose last `routed` blocks have a frozen and a tuned branch, chosen for each image.

    network: normalised images [n, 3, h, w] to logits [n, classes], any that `residual_blocks` knows;
        changed in place. A block and its copy start alike; blocks before the routed ones are frozen.
    policy: decides; without one each decision is a fair coin.
    frozen_norm: what BatchNorm of all that is frozen does.
    stem: "trained", as in the released code, moves what the frozen blocks see away from what they were
        pretrained on. With "frozen" and frozen_norm "eval" all before the first routed block is fixed,
        and runs without a gradient.
    seed: of what is drawn in evaluation.

    Training samples, from torch's global generator. Evaluation decides by `override`. `actions` [n, L]
    are those of the last pass, 0 or 1; in training they carry the policy's gradient. `partition`:
    whether evaluation runs only the chosen branch of each image, which changes logits by rounding alone.
    """

    def __init__(
        self,
        network: nn.Module,
        policy: PolicyNet | None,
        *,
        routed: RoutedPart = "all",
        frozen_norm: FrozenNorm = "adapt",
        stem: Stem = "trained",
        temperature: float = 5.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_routing(routed, frozen_norm, stem)
        self.names = routed_blocks(network, routed)
        _freeze_before(network, self.names[0], frozen_norm, stem)
        for name in self.names:
            block = network.get_submodule(name)
            tuned = copy.deepcopy(block)
            freeze(block, frozen_norm)
            network.set_submodule(name, RoutedBlock(block, tuned))
        self.network = network
        self.policy = None if policy is None else with_channels(policy, channels_of(network))
        self.record = None if policy is None else PolicyRecord(len(self.names))
        self.temperature = temperature
        self.seed = seed
        self.override: Override = "random" if policy is None else "argmax"
        self.partition = True
        self.actions: Tensor | None = None
        self.probabilities: Tensor | None = None
        self.kept: Tensor | None = None
        self.mean: Tensor | None = None  # [L], of P(tuned) over training images, for the override "mean"

    @property
    def blocks(self) -> list[RoutedBlock]:
        """In order of execution."""
        return [self.network.get_submodule(name) for name in self.names]  # type: ignore[misc]

    def forward(
        self,
        images: Tensor,
        *,
        overrides: Sequence[tuple[Override, int]] = (),
        seed: int | None = None,
    ) -> Tensor:
        """Logits [n, classes].

        In evaluation several rules can be asked at once: `overrides` are pairs of a rule and how often
        it is to decide, K times in all, and logits [K, n, classes] come back. What the paths of an image
        have in common is computed once. `actions` are those of the network's own rule all the same.
        seed: of what is drawn, the network's own by default.
        """
        if not self.names:
            return self.network(images)
        if self.training:
            self.actions = self._sample(images)
            return self._through(images, list(self.actions.unbind(1)))
        self.probabilities = self._probabilities(images)
        rules = [(self.override, 1), *overrides]
        seed = self.seed if seed is None else seed
        own, *asked = decide(rules, self.probabilities, images, seed, self.mean)
        self.actions = own.to(torch.uint8)
        if not asked and not self.partition:
            return self._through(images, list(own.float().unbind(1)))
        paths = torch.stack(asked or [own])
        steps, rows = partition(paths)
        logits = self._through(images, steps)[rows].unflatten(0, paths.shape[:2])
        return logits if overrides else logits[0]

    def _sample(self, images: Tensor) -> Tensor:
        """Actions [n, L] of a training step, 0 or 1."""
        if self.policy is None or self.record is None:
            return torch.randint(2, (len(images), len(self.names)), device=images.device).float()
        logits = self.policy(images)
        actions = straight_through(logits, self.temperature)
        self.record.add(actions, logits)
        return actions

    def _probabilities(self, images: Tensor) -> Tensor:
        if self.policy is None:
            return images.new_full((len(images), len(self.names)), 0.5)
        return tuned_probability(self.policy(images))

    def _through(self, images: Tensor, routes: Iterable[Tensor | Rows]) -> Tensor:
        blocks = self.blocks
        for block, route in zip(blocks, routes, strict=True):
            block.route = route
        try:
            return self.network(images)
        finally:
            for block in blocks:
                block.route = None

    def figures(self) -> dict[str, float]:
        """What the policy did in training since the last call; see `PolicyRecord.figures`."""
        return {} if self.record is None else self.record.figures()

    def fix(self, tuned: Sequence[bool]) -> None:
        """Keep the tuned branch of the routed blocks where `tuned`, the frozen one of the others, and
        neither policy nor choice: what is left is the plain network. `kept` [L], uint8, says which."""
        for name, block, keep in zip(self.names, self.blocks, tuned, strict=True):
            self.network.set_submodule(name, block.tuned if keep else block.frozen)
        self.kept = torch.tensor(tuned, dtype=torch.uint8)
        self.names = []
        self.policy = self.record = self.actions = self.probabilities = None


def routed_blocks(network: nn.Module, routed: RoutedPart) -> list[str]:
    """Names of the blocks that `routed` means: "all", "last8" or the last so many.

    InputError if there are fewer.
    """
    names = list(residual_blocks(network))
    count = {"all": len(names), "last8": 8}[routed] if isinstance(routed, str) else routed
    if count > len(names):
        raise InputError(
            f"routed is {routed!r}, but the network has only {len(names)} residual blocks; write `all`"
        )
    return names[-count:]


def check_routing(routed: RoutedPart, frozen_norm: FrozenNorm, stem: Stem) -> None:
    """InputError if one of these settings of a routed network means nothing."""
    number = isinstance(routed, int) and not isinstance(routed, bool) and routed > 0
    if routed not in ("all", "last8") and not number:
        raise InputError(f"routed must be all, last8 or a number of blocks above 0, found {routed!r}")
    check_norm(frozen_norm, "frozen_norm")
    if stem not in ("trained", "frozen"):
        raise InputError(f"stem must be trained or frozen, found {stem!r}")


def _freeze_before(network: nn.Module, first: str, norm: FrozenNorm, stem: Stem) -> None:
    """Freeze the residual blocks before `first`, and what is registered before them if the stem is."""
    blocks = residual_blocks(network)
    for name, block in blocks.items():
        if name == first:
            break
        freeze(block, norm)
    start = next(iter(blocks.values()))
    for module in network.modules():
        if stem == "trained" or module is start:
            break
        if not list(module.children()):
            freeze(module, norm)
