"""Deep adaptation networks (Rosenfeld and Tsotsos, arXiv 1705.04228)."""

from typing import Literal

import torch
from torch import Tensor, nn

from farfield.backbones.backbone import Backbone
from farfield.networks.convolutions import StandIn, replace_convolutions
from farfield.seeds import integer_seed
from farfield.settings import keyword_settings
from farfield.tuning.adapted import Adapted, classifier, freeze, trained

# "identity": training starts at the source network. "random": N(0, 1 / outputs).
Init = Literal["identity", "random"]


class ControlledConv2d(StandIn):
    """Filters of a task as linear combinations of the source's: W~ = A W, each filter a row.

    weight: W [outputs, inputs, k, k], as pretrained. controller: A [outputs, outputs].
    """

    def __init__(self, plain: nn.Conv2d) -> None:
        super().__init__(plain)
        self.controller = nn.Parameter(torch.eye(plain.out_channels, device=plain.weight.device))

    def forward(self, input: Tensor) -> Tensor:
        filters = (self.controller @ self.weight.flatten(1)).view(self.weight.shape)
        return self._conv_forward(input, filters, self.bias)


@keyword_settings
class DAN:
    """A controller at each convolution, BatchNorm and head belong to the task; all filters are the
    source's. In ResNet-26 that is 12 % of the network's parameters a task.

    Biases start at the source's; a convolution without one gets none, since BatchNorm behind it would
    take it out again. BatchNorm starts at the source's too.
    """

    seed: int
    init: Init = "identity"

    def __call__(self, backbone: Backbone, classes: int) -> Adapted:
        freeze(backbone, norm="adapt")
        replace_convolutions(backbone, ControlledConv2d)
        generator = torch.Generator().manual_seed(integer_seed(self.seed, "controllers"))
        for conv in backbone.modules():
            if not isinstance(conv, ControlledConv2d):
                continue
            if self.init == "random":
                nn.init.normal_(conv.controller, 0, conv.out_channels**-0.5, generator)
            if conv.bias is not None:
                conv.bias.requires_grad_(True)
        network = classifier(backbone, classes, self.seed)
        return Adapted(network, trained([network]))
