"""Residual adapters: 1x1 convolutions of a task around the shared 3x3 convolutions.

Series adapters (Rebuffi et al., arXiv 1705.08045) stand behind each 3x3 convolution, parallel ones
(arXiv 1803.10082) beside it. In ResNet-26 they are 12 and 11 % of the network's parameters.
"""

import copy
import math
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from farfield.errors import InputError
from farfield.networks.convolutions import StandIn, replace_convolutions
from farfield.seeds import integer_seed

Placement = Literal["series", "parallel"]
# "he": N(0, 2 / outputs), as published, which leaves the pretrained function. "zero": training starts
# at the pretrained function. "pretrained": adapters that the backbone was pretrained with stay.
Init = Literal["he", "zero", "pretrained"]
Network = TypeVar("Network", bound=nn.Module)


class SeriesAdapterConv2d(StandIn):
    """y + A BN(y) of the convolution's output y [n, C, h, w]; A is a 1x1 convolution from C to C."""

    def __init__(self, plain: nn.Conv2d) -> None:
        super().__init__(plain)
        self.adapter_norm = nn.BatchNorm2d(plain.out_channels, device=plain.weight.device)
        self.adapter = _pointwise(plain.out_channels, plain)
        self.dropout = nn.Dropout2d(0)

    def forward(self, input: Tensor) -> Tensor:
        y = super().forward(input)
        return y + self.adapter(self.dropout(self.adapter_norm(y)))


class ParallelAdapterConv2d(StandIn):
    """conv(x) + A x; A is a 1x1 convolution of the same input, with the stride of the 3x3 one."""

    def __init__(self, plain: nn.Conv2d) -> None:
        super().__init__(plain)
        self.adapter = _pointwise(plain.in_channels, plain)
        self.dropout = nn.Dropout2d(0)

    def forward(self, input: Tensor) -> Tensor:
        # Not by a stride of the adapter: on the CPU, torch 2.13 crashes in the backward pass of a strided
        # 1x1 convolution in channels-last format, with few channels and maps from about 56 x 56.
        rows, columns = self.stride
        centres = input[..., ::rows, ::columns]
        return super().forward(input) + self.adapter(self.dropout(centres))


AdapterConv2d = SeriesAdapterConv2d | ParallelAdapterConv2d
PLACEMENTS: dict[Placement, type[AdapterConv2d]] = {
    "series": SeriesAdapterConv2d,
    "parallel": ParallelAdapterConv2d,
}


def _pointwise(inputs: int, plain: nn.Conv2d) -> nn.Conv2d:
    return nn.Conv2d(inputs, plain.out_channels, 1, bias=False, device=plain.weight.device)


def adapter_convolutions(network: nn.Module) -> list[AdapterConv2d]:
    return [m for m in network.modules() if isinstance(m, SeriesAdapterConv2d | ParallelAdapterConv2d)]


def with_adapters(
    network: Network, placement: Placement, init: Init = "he", *, seed: int, dropout: float = 0.0
) -> Network:
    """`network` with an adapter at each 3x3 convolution, in place: to be pretrained or to be adapted.

    If it was pretrained with adapters, these start anew unless `init` is "pretrained"; what BatchNorm
    series adapters learnt stays. dropout: probability that a channel of an adapter's input is left out.
    InputError for unknown settings, a network without 3x3 convolutions or with other adapters.
    """
    check_adapters(placement, init, dropout)
    kind, existing = PLACEMENTS[placement], adapter_convolutions(network)
    others = [conv for conv in existing if not isinstance(conv, kind)]
    if others:
        raise InputError(
            f"the network was pretrained with other adapters ({type(others[0]).__name__}), and {placement} "
            f"adapters were asked for. Use the placement of the pretraining or a network without adapters."
        )
    if init == "pretrained" and not existing:
        raise InputError(
            "init: pretrained keeps the adapters that a network was pretrained with, but this network has "
            "none. Pretrain one with adapters, or choose he or zero."
        )
    if not existing:
        replace_convolutions(network, lambda conv: kind(conv) if _fits(conv) else conv)
    adapted = adapter_convolutions(network)
    if not adapted:
        raise InputError(
            f"a {type(network).__name__} has no 3x3 convolution that an adapter could join; choose a "
            f"residual backbone, such as resnet26"
        )
    generator = torch.Generator().manual_seed(integer_seed(seed, "adapters"))
    for conv in adapted:
        conv.dropout.p = dropout
        deviation = math.sqrt(2 / conv.out_channels)
        if init != "pretrained":
            fresh = torch.randn(conv.adapter.weight.shape, generator=generator) * deviation
            conv.adapter.weight.data.copy_(fresh if init == "he" else torch.zeros_like(fresh))
    return network


def check_adapters(placement: str, init: str, dropout: float) -> None:
    if placement not in PLACEMENTS:
        raise InputError(f"placement of adapters must be series or parallel, found {placement!r}")
    if init not in ("he", "zero", "pretrained"):
        raise InputError(f"init of adapters must be he, zero or pretrained, found {init!r}")
    if not 0 <= dropout < 1:
        raise InputError(f"dropout of adapters must be in [0, 1), found {dropout}")


def _fits(conv: nn.Conv2d) -> bool:
    """Whether it is 3x3 with its centre where a 1x1 convolution of the same stride looks."""
    return conv.kernel_size == (3, 3) and conv.padding == conv.dilation and conv.groups == 1


def fold_parallel(network: Network) -> Network:
    """A copy of `network` as it is in evaluation, without parallel adapters and their cost.

    A 1x1 kernel is a 3x3 kernel that is zero but for its centre, so W' = W + A there gives
    conv(x; W') = conv(x; W) + A x exactly. BatchNorm and everything else stay as they are.
    """

    def folded(conv: nn.Conv2d) -> nn.Conv2d:
        if not isinstance(conv, ParallelAdapterConv2d):
            return conv
        plain = StandIn(conv)
        weight = conv.weight.detach().clone()
        weight[:, :, 1, 1] += conv.adapter.weight.detach()[:, :, 0, 0]
        plain.weight = nn.Parameter(weight, requires_grad=conv.weight.requires_grad)
        return plain

    return replace_convolutions(copy.deepcopy(network), folded)
