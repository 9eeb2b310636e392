"""AdaShare's policy: which blocks of a shared network each task runs (Sun et al., arXiv 1911.12423)."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from farfield.errors import InputError
from farfield.seeds import stream

EXECUTE, SKIP = 0, 1  # columns of logits and mix
Init = Literal["equal", "random", "all_chosen"]
INITIAL_LOGIT = 0.5  # of both actions when they are equal; weight decay draws it towards 0
RANDOM_DEVIATION = 1e-3


class Policy(nn.Module):
    """Logits [K, L, 2] of K tasks and L blocks: column 0 to execute the block, column 1 to skip it.

    init: "equal" starts at a probability of a half, "random" close to it (drawn from `seed`),
        "all_chosen" with every block executed, but for a skip logit of `skip_logit`.
    """

    def __init__(
        self, tasks: int, blocks: int, init: Init = "equal", *, skip_logit: float = -5.0, seed: int = 0
    ) -> None:
        super().__init__()
        if tasks < 1 or blocks < 1:
            raise InputError(f"A policy needs at least one task and one block, found {tasks} and {blocks}")
        self.tasks = tasks
        self.blocks = blocks
        self.logits = nn.Parameter(_initial(tasks, blocks, init, skip_logit, seed))

    @property
    def select(self) -> Tensor:
        """The probability [K, L] that a task executes a block."""
        return torch.sigmoid(self.logits[..., EXECUTE] - self.logits[..., SKIP])

    def noise(self, seed: int, *key: str | int) -> Tensor:
        """Gumbel noise [K, L, 2] for one forward pass: one draw for the whole batch."""
        drawn = stream(seed, "gumbel", *key).gumbel(size=tuple(self.logits.shape))
        return torch.from_numpy(drawn).to(self.logits)

    def mix(self, temperature: float, opened: int, noise: Tensor | None = None, hard: bool = False) -> Tensor:
        """Shares [K, L, 2] of executing and skipping, softmax((logits + noise) / temperature).

        They sum to 1. Only the last `opened` blocks are the policy's; those before have (1, 0). With
        `hard` the shares are 0 or 1 exactly, and the gradient is that of the softmax.
        """
        if not temperature > 0:
            raise InputError(f"The temperature must be above 0, found {temperature}")
        closed = self._closed(opened)
        logits = self.logits[:, closed:]
        if noise is not None:
            logits = logits + noise[:, closed:]
        mix = torch.softmax(logits / temperature, -1)
        if hard:
            # A comparison, not argmax: of two equal shares exactly one is 1. The sum is exact: 0 - y + y
            # is 0, and 1 - y has no rounding error where y is at least a half.
            execute = mix[..., EXECUTE] >= mix[..., SKIP]
            mix = (torch.stack([execute, ~execute], -1).to(mix) - mix).detach() + mix
        executed = mix.new_tensor([1.0, 0.0]).expand(self.tasks, closed, 2)
        return torch.cat([executed, mix], 1)

    def sample(self, seed: int, *key: str | int, opened: int | None = None) -> Tensor:
        """Which blocks run, bool [K, L] on the CPU, each drawn with its probability.

        opened: the blocks before the last so many run in any case; all are drawn by default.
        """
        probability = self._probability()
        drawn = stream(seed, "policy", *key).random(probability.shape) < probability
        return self._with_closed(drawn, opened)

    def most_likely(self, opened: int | None = None) -> Tensor:
        """Which blocks run, bool [K, L] on the CPU, if each does what it more likely does; at an even
        chance it runs."""
        return self._with_closed(self._probability() >= 0.5, opened)

    def _probability(self) -> np.ndarray:
        logits = self.logits.detach().cpu().double()
        return torch.sigmoid(logits[..., EXECUTE] - logits[..., SKIP]).numpy()

    def _with_closed(self, runs: np.ndarray, opened: int | None) -> Tensor:
        runs[:, : self._closed(self.blocks if opened is None else opened)] = True
        return torch.from_numpy(runs)

    def _closed(self, opened: int) -> int:
        if not 0 <= opened <= self.blocks:
            raise ValueError(f"{opened} opened blocks of {self.blocks}")
        return self.blocks - opened


def _initial(tasks: int, blocks: int, init: str, skip_logit: float, seed: int) -> Tensor:
    shape = (tasks, blocks, 2)
    if init == "equal":
        return torch.full(shape, INITIAL_LOGIT)
    if init == "random":
        drawn = RANDOM_DEVIATION * stream(seed, "policy logits").standard_normal(shape)
        return torch.from_numpy(drawn).float()
    if init == "all_chosen":
        return torch.tensor([0.0, skip_logit]).repeat(tasks, blocks, 1)
    raise InputError(f"The policy's init must be equal, random or all_chosen, found {init!r}")
