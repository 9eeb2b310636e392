"""Forgetting what a network learned."""

import torch
from torch import nn

from farfield.errors import InputError
from farfield.seeds import integer_seed


def reinitialise(network: nn.Module, seed: int) -> None:
    """Draw all weights of a convolutional network anew, as residual networks are initialised.

    Kernels are N(0, 2 / (k k outputs)) (He et al., arXiv 1502.01852), biases zero; BatchNorm is the
    identity again and its statistics are forgotten. InputError for a network with other layers.
    """
    generator = torch.Generator().manual_seed(integer_seed(seed, "initialise"))
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
        elif next(module.parameters(recurse=False), None) is not None:
            raise InputError(
                f"training from scratch knows how convolutions and BatchNorm are initialised, but "
                f"'{name}' of the backbone is a {type(module).__name__}"
            )
