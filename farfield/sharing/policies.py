"""Hard policies, bool [K, L]: samples of what a search found, and random ones to compare them with."""

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor

from farfield.seeds import stream
from farfield.sharing.policy import Policy


def sampled_policies(policy: Policy, seed: int, count: int) -> list[Tensor]:
    """`count` draws; each block of each task is executed with the policy's probability."""
    return [policy.sample(seed, "sample", number) for number in range(count)]


def random_policies(like: Iterable[Tensor], seed: int) -> list[Tensor]:
    """For each of some policies one that skips as many blocks, at random places of all tasks and blocks."""
    drawn = []
    for number, runs in enumerate(like):
        places = torch.from_numpy(stream(seed, "random policy", number).permutation(runs.numel()))
        drawn.append(runs.flatten()[places].view(runs.shape))
    return drawn


def distinct(policies: Iterable[Tensor]) -> dict[str, Tensor]:
    """The different ones among `policies` by their hash, in the order of their first appearance: what
    is trained for one serves all that are equal to it."""
    return {policy_hash(runs): runs for runs in policies}


def policy_hash(runs: Tensor) -> str:
    """Twelve hexadecimal digits that name a policy bool [K, L]."""
    shape = "x".join(map(str, runs.shape))
    return hashlib.sha256(shape.encode() + runs.to(torch.uint8).numpy().tobytes()).hexdigest()[:12]
