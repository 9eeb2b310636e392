"""Hard decisions with a gradient: the straight-through Gumbel softmax over two actions.

Jang et al., arXiv 1611.01144; Maddison et al., arXiv 1611.00712; SpotTune, arXiv 1811.08737, section 3.2.
"""

import torch
from torch import Tensor


def relaxed(logits: Tensor, temperature: float, generator: torch.Generator | None = None) -> Tensor:
    """The share of action 1 in softmax((logits + Gumbel noise) / temperature), [..] of logits [.., 2].

    Over two actions that softmax is a sigmoid of differences, and the difference of two Gumbel
    variables is logistic: one uniform draw an action instead of two. In float32 at least, whatever the
    precision of the network. generator: torch's global one by default.
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    difference = logits[..., 1] - logits[..., 0]
    device = difference.device if generator is None else generator.device
    uniform = torch.rand(difference.shape, generator=generator, dtype=difference.dtype, device=device)
    return torch.sigmoid((difference + torch.logit(uniform, eps=1e-7).to(difference.device)) / temperature)


def straight_through(logits: Tensor, temperature: float, generator: torch.Generator | None = None) -> Tensor:
    """Sampled actions [..], each 0 or 1 exactly, of logits [.., 2]; P(1) = sigmoid(logits1 - logits0).

    The gradient is that of `relaxed` at the same draw. The temperature does not touch the decisions: it
    scales the gradient, which is at most 1 / (4 temperature) of a logit.
    """
    soft = relaxed(logits, temperature, generator)
    hard = (soft >= 0.5).to(soft.dtype)
    # Exact in floating point: 0 - y + y is 0, and 1 - y has no rounding error where y is at least a half.
    return (hard - soft).detach() + soft
