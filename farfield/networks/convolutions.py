"""Convolutions that stand in for others: what adapters, controllers and masks are built on."""

from collections.abc import Callable
from typing import TypeVar

from torch import nn

Network = TypeVar("Network", bound=nn.Module)


class StandIn(nn.Conv2d):
    """A convolution that takes over the weight and bias of `plain`, which are shared, not copied."""

    def __init__(self, plain: nn.Conv2d) -> None:
        # On the meta device no weight is allocated, and none drawn, only to be thrown away.
        super().__init__(
            plain.in_channels,
            plain.out_channels,
            plain.kernel_size,  # type: ignore[arg-type]
            plain.stride,  # type: ignore[arg-type]
            plain.padding,  # type: ignore[arg-type]
            plain.dilation,  # type: ignore[arg-type]
            plain.groups,
            plain.bias is not None,
            plain.padding_mode,
            device="meta",
        )
        self.weight, self.bias = plain.weight, plain.bias
        self.training = plain.training


def replace_convolutions(network: Network, replacement: Callable[[nn.Conv2d], nn.Module]) -> Network:
    """`network`, in which each convolution is what `replacement` makes of it, in place.

    A convolution within a convolution (an adapter) belongs to the outer one and is left alone.
    """
    for name, child in network.named_children():
        if isinstance(child, nn.Conv2d):
            setattr(network, name, replacement(child))
        else:
            replace_convolutions(child, replacement)
    return network
