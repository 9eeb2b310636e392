"""The policy network: which blocks of the main network run tuned for an image (SpotTune, section 3.2)."""

import math
from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from farfield.backbones.backbone import Backbone
from farfield.backbones.resnet import ResNet
from farfield.backbones.resnet26 import ResNet26
from farfield.errors import InputError
from farfield.training.classifier import Classifier

# "resnet26": that of the Visual Decathlon, 3x3 stem and three basic blocks of 64, 128 and 256 channels;
# 1,170,616 parameters for 12 blocks at width 64. "imagenet": that of the five-dataset table, four basic
# blocks up to 512 channels; its stem is not published, this one is ImageNet's 7x7 with max-pool.
PolicyKind = Literal["resnet26", "imagenet"]
_TRUNKS: dict[str, Callable[..., Backbone]] = {
    "resnet26": partial(ResNet26, blocks=1),
    "imagenet": partial(ResNet, blocks=(1, 1, 1, 1)),
}


class PolicyNet(nn.Module):
    """Normalised images [n, 3, h, w], those that the main network sees, to logits [n, blocks, 2].

    Column 1 of the logits is for the tuned block, column 0 for the frozen one. It starts at random.
    """

    def __init__(self, blocks_to_route: int, kind: PolicyKind = "resnet26", width: int = 64) -> None:
        super().__init__()
        check_policy(kind, width)
        self.network = Classifier(_TRUNKS[kind](width=width), 2 * blocks_to_route)

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images).unflatten(1, (-1, 2))


def check_policy(kind: str, width: int) -> None:
    """InputError if there is no such policy network."""
    if kind not in _TRUNKS:
        raise InputError(f"policy must be one of {', '.join(_TRUNKS)}, found {kind!r}")
    if width < 1:
        raise InputError(f"policy_width must be at least 1, found {width}")


def tuned_probability(logits: Tensor) -> Tensor:
    """P(tuned) [.., L], float32, of policy logits [.., L, 2]."""
    return torch.sigmoid(logits[..., 1].float() - logits[..., 0].float())


class PolicyRecord(nn.Module):
    """What a policy did in training; kept as tensors, so that no step waits for the device.

    usage: [L], share of the images of a batch that each block was tuned for, a running mean with the
    momentum of BatchNorm's statistics. It is saved with the network.
    """

    usage: Tensor

    def __init__(self, blocks: int, momentum: float = 0.1) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("usage", torch.full((blocks,), 0.5))
        self.clear()

    def clear(self) -> None:
        self.count = 0
        self.tuned: Tensor | float = 0.0
        self.entropy: Tensor | float = 0.0

    @torch.no_grad()
    def add(self, actions: Tensor, logits: Tensor) -> None:
        """Actions [n, L] of a step, 0 or 1, and the policy's logits [n, L, 2]."""
        self.usage.lerp_(actions.mean(0), self.momentum)
        p = tuned_probability(logits)
        bits = -(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p)) / math.log(2)
        self.count += len(actions)
        self.tuned = self.tuned + actions.sum(0)
        self.entropy = self.entropy + bits.mean(1).sum()

    def figures(self) -> dict[str, float]:
        """Of the steps since the last call, in this process: `policy_entropy`, in bits a decision (1 is
        a fair coin), `tuned_share` of all decisions, and `tuned_share_1` ... of each block."""
        count = max(self.count, 1)
        shares = (torch.as_tensor(self.tuned).expand(len(self.usage)).double() / count).tolist()
        row = {
            "policy_entropy": float(self.entropy) / count,
            "tuned_share": sum(shares) / len(shares),
            **{f"tuned_share_{i}": share for i, share in enumerate(shares, start=1)},
        }
        self.clear()
        return {name: round(value, 6) for name, value in row.items()}
