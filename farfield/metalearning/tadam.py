"""TADAM (Oreshkin et al., arXiv 1805.10123): prototypes with a scaled distance, features conditioned on the
task."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.backbones.backbone import Backbone
from farfield.errors import InputError
from farfield.metalearning.learner import MetaLearner

SHRINKING = 0.01  # of the squares of the scalars that conditioning starts from
DECAY, PIECES = 0.9, 20  # of the probability of an auxiliary step


class ConditionedBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm whose output h becomes (1 + gamma) h + beta, channel by channel, while both are set."""

    gamma: Tensor | None = None
    beta: Tensor | None = None

    @classmethod
    def of(cls, plain: nn.BatchNorm2d) -> "ConditionedBatchNorm2d":
        made = cls(plain.num_features, plain.eps, plain.momentum)
        made.load_state_dict(plain.state_dict())
        return made

    def forward(self, input: Tensor) -> Tensor:
        found = super().forward(input)
        if self.gamma is None or self.beta is None:
            return found
        return (1 + self.gamma[:, None, None]) * found + self.beta[:, None, None]


class TaskEmbedding(nn.Module):
    """gamma and beta of one layer from the code of a task, each start * net(code), net of three linear
    layers of the layer's width with swish after the first two and a residual around the second and the
    third; start: from 0."""

    def __init__(self, code: int, channels: int) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.zeros(2))
        self.first = nn.ModuleList(nn.Linear(code, channels) for _ in range(2))
        self.second = nn.ModuleList(nn.Linear(channels, channels) for _ in range(2))
        self.third = nn.ModuleList(nn.Linear(channels, channels) for _ in range(2))

    def forward(self, code: Tensor) -> list[Tensor]:
        found = []
        for i in range(2):
            x = F.silu(self.first[i](code))
            x = x + F.silu(self.second[i](x))
            found.append(self.start[i] * (x + self.third[i](x)))
        return found


class TADAM(MetaLearner):
    """p(j | q) = softmax_j(-scale * |z_q - c_j|), the distance not squared, with z conditioned on the task.

    The code of a task is the mean of its class means, from a pass of the support without conditioning; a
    second pass of the support and one of the queries are conditioned by it after each BatchNorm outside of
    shortcuts.

    auxiliary: whether, now and then, a step on the classification of all base classes stands before that of
    an episode, with probability 0.9^(1 + floor(20 t)), t the part of training that is over. Without it
    conditioning is published to hurt. classes: how many base classes."""

    def __init__(
        self, backbone: Backbone, way: int, classes: int, scale: float = 7.5, auxiliary: bool = True
    ) -> None:
        super().__init__()
        if scale <= 0:
            raise InputError(f"scale must be above 0, found {scale}")
        self.backbone, self.scale, self.auxiliary = backbone, scale, auxiliary
        self.layers: list[ConditionedBatchNorm2d] = []
        for name, module in list(backbone.named_modules()):
            if type(module) is nn.BatchNorm2d and "shortcut" not in name:
                parent, _, own = name.rpartition(".")
                self.layers.append(ConditionedBatchNorm2d.of(module))
                setattr(backbone.get_submodule(parent), own, self.layers[-1])
        if not self.layers:
            raise InputError(f"TADAM conditions BatchNorm, and {type(backbone).__name__} has none")
        dim = backbone.feature_dim
        self.conditioning = nn.ModuleList(TaskEmbedding(dim, layer.num_features) for layer in self.layers)
        self.head = nn.Linear(dim, classes)

    def forward(self, support: Tensor, query: Tensor, first: int = 0) -> Tensor:
        return torch.stack([self._episode(s, q) for s, q in zip(support, query, strict=True)])

    def _episode(self, support: Tensor, query: Tensor) -> Tensor:
        way = len(support)
        images = support.flatten(0, 1)
        self.condition(self._means(images, way).mean(0))
        try:
            means, asked = self._means(images, way), self.backbone(query)
        finally:
            self.condition(None)
        apart = asked[:, None] - means
        return -self.scale * apart.square().sum(-1).clamp_min(1e-12).sqrt()

    def _means(self, images: Tensor, way: int) -> Tensor:
        return self.backbone(images).unflatten(0, (way, -1)).mean(1)

    def condition(self, code: Tensor | None) -> None:
        """Set every layer to the task of this code [d], or back to the plain network."""
        for layer, embedding in zip(self.layers, self.conditioning, strict=True):
            layer.gamma, layer.beta = (None, None) if code is None else embedding(code)

    def loss(self, support: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        value, logits = super().loss(support, query)
        starts = [p for name, p in self.conditioning.named_parameters() if name.endswith("start")]
        return value + SHRINKING * torch.stack([*starts]).square().sum(), logits

    def auxiliary_probability(self, over: float) -> float:
        return DECAY ** (1 + int(PIECES * over)) if self.auxiliary else 0.0

    def auxiliary_loss(self, images: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(self.head(self.backbone(images)), labels)
