"""Feature-wise transformation (Tseng et al., arXiv 2001.08735): noise on features while meta-training,
so that the metric does not lean on the statistics of the source domain."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.backbones.backbone import Backbone
from farfield.backbones.conv4 import Conv4
from farfield.backbones.resnet import BasicBlock
from farfield.errors import InputError
from farfield.seeds import integer_seed

SHARPNESS = 100.0  # softplus(theta) is theta itself above 0.2


class FeatureWiseBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm whose output is scaled and shifted at random, channel by channel, while training.

    out = gamma * BN(x) + beta, gamma = 1 + n1 softplus(theta_gamma), beta = n2 softplus(theta_beta),
    with n1 and n2 standard normal of shape [1, C, 1, 1]: one draw a forward pass, shared by all images
    and positions. In evaluation mode, or while not `enabled`, it is the plain BatchNorm.

    theta_gamma, theta_beta: [C]; parameters if `learned`, else constants that are not part of the
    state, so that what was trained with noise loads into the plain network and back.
    """

    theta_gamma: Tensor
    theta_beta: Tensor

    def __init__(self, plain: nn.BatchNorm2d, gamma: float, beta: float, learned: bool) -> None:
        """Takes over the parameters and statistics of `plain`, which are shared, not copied."""
        super().__init__(plain.num_features, plain.eps, plain.momentum, device=plain.weight.device)
        self.weight, self.bias = plain.weight, plain.bias
        self.running_mean, self.running_var = plain.running_mean, plain.running_var
        self.num_batches_tracked = plain.num_batches_tracked
        self.training = plain.training
        self.enabled = True
        # Drawn on the CPU, so that every device sees the same noise.
        self.generator = torch.Generator()
        for name, value in (("theta_gamma", gamma), ("theta_beta", beta)):
            theta = torch.full_like(plain.weight.detach(), value)
            if learned:
                self.register_parameter(name, nn.Parameter(theta))
            else:
                self.register_buffer(name, theta, persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        if not (self.training and self.enabled):
            return super().forward(input)
        noise = torch.randn(2, self.num_features, generator=self.generator).to(self.weight)
        gamma = 1 + noise[0] * F.softplus(self.theta_gamma, beta=SHARPNESS)
        beta = noise[1] * F.softplus(self.theta_beta, beta=SHARPNESS)
        # gamma (w x + b) + beta is one affine map, which BatchNorm applies at no further cost.
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        return F.batch_norm(
            input,
            self.running_mean,
            self.running_var,
            gamma * self.weight,
            gamma * self.bias + beta,
            training=True,
            momentum=self.momentum,
            eps=self.eps,
        )


def feature_wise_transform(
    backbone: Backbone, gamma: float = 0.3, beta: float = 0.5, learned: bool = False
) -> None:
    """Put the transformation into `backbone`, in place, with theta starting at `gamma` and `beta`.

    It replaces the last BatchNorm of each residual block and that of its shortcut (7 layers in
    ResNet-10); in Conv4 the BatchNorm of each block. The defaults are the constants of the
    single-source setting. InputError on a backbone without such layers or impossible constants.
    """
    for name, value in (("gamma", gamma), ("beta", beta)):
        if not (math.isfinite(value) and value >= 0):
            raise InputError(f"{name} of the feature-wise transformation must be at least 0, found {value}")
    places = [place for module in backbone.modules() for place in _places(module)]
    if not places:
        raise InputError(
            f"the feature-wise transformation does not know where to go in a {type(backbone).__name__}; "
            f"it fits backbones of residual blocks (resnet10, 18, 34) and conv4"
        )
    for parent, name in places:
        plain = parent.get_submodule(name)
        if type(plain) is not nn.BatchNorm2d:
            raise InputError("the feature-wise transformation is already part of this backbone")
        setattr(parent, name, FeatureWiseBatchNorm2d(plain, gamma, beta, learned))
    seed_noise(backbone, 0)


def _places(module: nn.Module) -> list[tuple[nn.Module, str]]:
    """(parent, attribute) of the BatchNorms that `module` itself decides on."""
    if isinstance(module, Conv4):
        return [(block, "1") for block in module.blocks]
    if not isinstance(module, BasicBlock):
        return []
    shortcut = module.shortcut
    return [(module, "bn2"), *([(shortcut, "1")] if isinstance(shortcut, nn.Sequential) else [])]


def transformed_layers(network: nn.Module) -> list[FeatureWiseBatchNorm2d]:
    return [module for module in network.modules() if isinstance(module, FeatureWiseBatchNorm2d)]


def enable_transform(network: nn.Module, enabled: bool) -> None:
    """Switch the noise of all layers of `network` on or off; off, they are plain BatchNorms in training
    mode too."""
    for layer in transformed_layers(network):
        layer.enabled = enabled


def seed_noise(network: nn.Module, seed: int, *key: str | int) -> None:
    """Start the noise of every layer from its own stream of (seed, key, layer).

    Called before each training step with the step's number, it makes a resumed run draw what the
    whole run drew.
    """
    for number, layer in enumerate(transformed_layers(network)):
        layer.generator.manual_seed(integer_seed(seed, "feature-wise noise", *key, number))


def transform_parameters(network: nn.Module) -> dict[str, nn.Parameter]:
    """The learned thetas of `network` by name; empty if they are constants."""
    return {
        name: parameter
        for name, parameter in network.named_parameters()
        if name.rpartition(".")[2] in ("theta_gamma", "theta_beta")
    }


def own_parameters(network: nn.Module) -> dict[str, nn.Parameter]:
    """All parameters of `network` by name but the thetas."""
    thetas = transform_parameters(network)
    return {name: p for name, p in network.named_parameters() if name not in thetas}
