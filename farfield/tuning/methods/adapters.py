"""Residual adapters as a fine-tuning method (arXiv 1705.08045, 1803.10082)."""

from typing import Any, Literal

from torch import nn

from farfield.backbones.backbone import Backbone
from farfield.networks.adapters import Init, Placement, adapter_convolutions, with_adapters
from farfield.settings import AtLeastZero, BelowOne, keyword_settings
from farfield.tuning.adapted import Adapted, classifier, freeze

Share = Literal["frozen", "finetune"]


@keyword_settings
class Adapters:
    """Adapters, BatchNorm and head belong to the task; the convolutions of the network are shared.

    share: "frozen", or "finetune", which trains the shared convolutions too. The published row
    "finetune all" trains them on all tasks together; here each task gets its own.
    adapter_decay, conv_decay, rest_decay: weight decay of the adapters, of the convolutions they join
    and of BatchNorm and head; None is the recipe's. The released code states 1e-4, 1e-4 and 5e-4, but
    by an error gives 1e-4 to all: with a recipe of 1e-4, `rest_decay` 5e-4 is what was intended and
    None what was run. The row "decay" raises `adapter_decay` for small data sets.
    """

    seed: int
    placement: Placement = "parallel"
    init: Init = "he"
    share: Share = "frozen"
    dropout: BelowOne = 0.0
    adapter_decay: AtLeastZero | None = None
    conv_decay: AtLeastZero | None = None
    rest_decay: AtLeastZero | None = None

    def __call__(self, backbone: Backbone, classes: int) -> Adapted:
        with_adapters(backbone, self.placement, self.init, seed=self.seed, dropout=self.dropout)
        convolutions = adapter_convolutions(backbone)
        if self.share == "frozen":
            freeze(backbone, norm="adapt", spare=[conv.adapter for conv in convolutions])
        adapters = {conv.adapter.weight for conv in convolutions}
        network = classifier(backbone, classes, self.seed)
        parameters = [p for p in network.parameters() if p.requires_grad]
        others = [p for p in parameters if p not in adapters]
        groups = [
            *_group([p for p in parameters if p in adapters], self.adapter_decay),
            *_group([p for p in others if p.ndim == 4], self.conv_decay),
            *_group([p for p in others if p.ndim < 4], self.rest_decay),
        ]
        return Adapted(network, groups)


def _group(parameters: list[nn.Parameter], decay: float | None) -> list[dict[str, Any]]:
    settings = {} if decay is None else {"weight_decay": decay}
    return [{"params": parameters, **settings}] if parameters else []
