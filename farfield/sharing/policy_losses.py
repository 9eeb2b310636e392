"""What pushes AdaShare's policies to skip and to share, and the schedules of their search.

Sun et al., arXiv 1911.12423, section 3. The released code differs from the paper in both losses, so both
forms are here. K tasks, L blocks, logits a [K, L, 2] (execute, skip), p their softmax; open are the last
`opened` blocks, and a closed block is executed by every task.
"""

import torch
from torch import Tensor

from farfield.errors import InputError
from farfield.sharing.policy import EXECUTE, SKIP
from farfield.sharing.recipe import Form, On, Weight


def sparsity(logits: Tensor, opened: int, form: Form = "code", weight: Weight = "flat") -> Tensor:
    """A scalar that falls as tasks skip open blocks.

    "code": the sum over tasks of the mean over open blocks of -log p(skip). With `weight` "increasing"
        a block's term is multiplied by 2 l / L, l from 1, as the code does where it has no sharing loss.
    "paper": the sum over tasks and blocks of log p(execute), 0 for a closed block.
    """
    _check("form", form, ("code", "paper"))
    _check("weight", weight, ("increasing", "decreasing", "flat"))
    closed = logits.shape[1] - opened
    terms = torch.log_softmax(logits[:, closed:], -1)
    if weight != "flat":
        terms = terms * (2 * depth_weights(logits, weight)[closed:, None])
    if form == "paper":
        return terms[..., EXECUTE].sum()
    return -terms[..., SKIP].mean(1).sum()


def sharing(
    logits: Tensor,
    opened: int,
    form: Form = "code",
    sharing_weight: Weight | None = None,
    sharing_on: On | None = None,
) -> Tensor:
    """A scalar that falls as tasks agree on blocks: sums of w_l |s_kl - s_jl| over pairs k, j of tasks.

    "code": each pair once, over all blocks, closed ones too; by default s is the raw logit to execute
        and w "increasing".
    "paper": each pair in both orders, over the open blocks (all tasks execute a closed one); by default
        s is p(execute) and w "decreasing".
    sharing_weight, sharing_on: in place of the form's own; see `depth_weights`.
    """
    _check("form", form, ("code", "paper"))
    paper = form == "paper"
    on = sharing_on or ("probability" if paper else "logit")
    _check("sharing_on", on, ("logit", "probability"))
    scores = logits[..., EXECUTE]
    if on == "probability":
        scores = torch.sigmoid(scores - logits[..., SKIP])
    weights = depth_weights(logits, sharing_weight or ("decreasing" if paper else "increasing"))
    if paper:
        closed = logits.shape[1] - opened
        scores, weights = scores[:, closed:], weights[closed:]
    # Both orders of each pair; a task and itself add nothing, nor to the gradient.
    both = ((scores[:, None] - scores[None]).abs() * weights).sum()
    return both if paper else both / 2


def depth_weights(logits: Tensor, weight: Weight) -> Tensor:
    """[L] for blocks l = 1 ... L: "increasing" l / L, "decreasing" (L - l) / L, "flat" 1."""
    _check("sharing_weight", weight, ("increasing", "decreasing", "flat"))
    blocks = logits.shape[1]
    if weight == "flat":
        return logits.new_ones(blocks)
    rising = torch.arange(1, blocks + 1, dtype=logits.dtype, device=logits.device) / blocks
    return rising if weight == "increasing" else 1 - rising


def opened_blocks(alternation: int, speed: int, blocks: int) -> int:
    """How many blocks, counted from the last, are open after so many finished alternations: one more
    every `speed` of them, from one on. At speed 0 there is no curriculum, and all are open."""
    return blocks if speed == 0 else min(alternation // speed + 1, blocks)


def temperature(alternation: int, start: float = 5.0, decay: float = 0.965, lowest: float = 0.0) -> float:
    """The temperature of the Gumbel softmax after so many finished alternations.

    The code has no `lowest`. Far below 0.1 draws are one-hot, and no gradient reaches the policy.
    """
    return max(start * decay**alternation, lowest)


def _check(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InputError(f"{name} must be one of {', '.join(known)}, found {value!r}")
