"""Networks of three channels on images of any number of channels.

The first convolution gets a kernel for each channel, made of its three by the matrix M of `mixture`: on images x
it computes what it computed on the three channels M x. It is a convolution of all channels from then on, so that
training can tell them apart. Kernels repeated times 3 / c are what timm does (`adapt_input_conv`), so that
activations have the scale of those on three channels.
"""

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from farfield.backbones.backbone import Backbone, ForeignBackbone
from farfield.errors import InputError

Network = TypeVar("Network", bound=nn.Module)


def with_channels(network: Network, channels: int) -> Network:
    """The network, if its backbones take images of so many channels; else a copy that does, by the rule above.

    Of a network that cannot be looked into (`ForeignBackbone`) the rule is a 1x1 convolution M before it.
    InputError if it was trained on another number of channels that is not three.
    """
    backbones = [module for module in network.modules() if isinstance(module, Backbone)]
    found = {channels_of(backbone) for backbone in backbones} - {channels}
    if not found:
        return network
    if found != {3}:
        raise InputError(
            f"the network was trained on images of {max(found)} channels and is given {channels}. Give it images "
            f"of the same bands (`channels` of their card), or take a network of three channels."
        )
    network = copy.deepcopy(network)
    for backbone in network.modules():
        if isinstance(backbone, Backbone):
            _widen(backbone, mixture(channels))
    return network


def channels_of(network: nn.Module) -> int:
    """How many channels the first backbone in `network` takes; 3 if there is none."""
    for module in network.modules():
        if isinstance(module, Backbone):
            layer = module.first_layer()
            layer = layer[-1] if isinstance(layer, nn.Sequential) else layer
            return layer.in_channels if isinstance(layer, nn.Conv2d) else 3
    return 3


def mixture(channels: int) -> Tensor:
    """M, float [3, channels]: the three channels that a network of three sees.

    One channel is all three. Two are the first, the second, and their mean. Of more, channel j counts for the
    first, second or third, in turn, times 3 / channels.
    """
    if channels < 3:
        return torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]] if channels == 2 else [[1.0]] * 3)
    return torch.eye(3).repeat(1, -(-channels // 3))[:, :channels] * (3 / channels)


def _widen(backbone: Backbone, mixed: Tensor) -> None:
    layer = backbone.first_layer()
    if isinstance(backbone, ForeignBackbone):
        before = nn.Conv2d(mixed.shape[1], 3, 1, bias=False)
        before.weight.data.copy_(mixed[:, :, None, None])
        backbone.entry = nn.Sequential(layer, before)
        return
    for convolution in layer.modules():  # and an adapter beside it
        if isinstance(convolution, nn.Conv2d) and convolution.in_channels == 3:
            weight = torch.einsum("oikl,ic->ockl", convolution.weight.detach(), mixed.to(convolution.weight))
            convolution.weight = nn.Parameter(weight, requires_grad=convolution.weight.requires_grad)
            convolution.in_channels = mixed.shape[1]
