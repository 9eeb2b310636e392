"""Relation networks (Sung et al., arXiv 1711.06025), as in arXiv 1904.04232 and, for the statistics of
the head, arXiv 2001.08735."""

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.backbones.backbone import Backbone
from farfield.errors import InputError
from farfield.metalearning.learner import EmbeddingLearner, query_targets

Loss = Literal["mse", "softmax"]
Prototype = Literal["mean", "sum"]
HeadNorm = Literal["running", "batch"]

HIDDEN = 8  # units between the two linear layers of the head


class RelationNet(EmbeddingLearner):
    """A small network looks at the maps of a prototype and of a query and scores how they relate.

    Images embed to the last, unpooled map of the backbone, [n, C, h, w].

    loss: "mse" between the sigmoid of the scores and the one-hot truth, "softmax" cross-entropy.
    prototype: "mean" of a class's support maps, or their "sum" (the first authors' code).
    head_norm: what the head's BatchNorm evaluates with. "running" are the statistics of the last
    training episode (momentum 1); "batch" those of all pairs of the episode at hand, which makes the
    method transductive.
    """

    def __init__(
        self,
        backbone: Backbone,
        way: int,
        loss: Loss = "mse",
        prototype: Prototype = "mean",
        head_norm: HeadNorm = "running",
    ) -> None:
        super().__init__(backbone)
        for name, value, choices in (
            ("loss", loss, get_args(Loss)),
            ("prototype", prototype, get_args(Prototype)),
            ("head_norm", head_norm, get_args(HeadNorm)),
        ):
            if value not in choices:
                raise InputError(f"{name} of relationnet must be {' or '.join(choices)}, found {value!r}")
        self.loss_name, self.prototype = loss, prototype
        self.transductive = head_norm == "batch"
        self.relation = RelationHead(backbone.stage_dims[-1], running=head_norm == "running")

    def embed(self, images: Tensor) -> Tensor:
        """Images [n, 3, H, W] to maps [n, C, h, w]."""
        return self.backbone.stages(images)[-1]

    def classify(self, support: Tensor, query: Tensor) -> Tensor:
        prototypes = support.mean(2) if self.prototype == "mean" else support.sum(2)
        return self.relation(prototypes, query)

    def loss(self, support: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        if self.loss_name == "softmax":
            return super().loss(support, query)
        logits = self(support, query)
        queries, way = logits.shape[1:]
        truth = F.one_hot(query_targets(way, queries, logits.device), way).to(logits)
        return F.mse_loss(logits.sigmoid(), truth.expand_as(logits)), logits


class RelationHead(nn.Module):
    """Scores of pairs of maps: two blocks of conv3x3-BN-ReLU-max-pool 2 (2C -> C -> C), then linear
    layers C -> 8 -> 1.

    The published head flattens what is left of a 7x7 map after both pools (7 -> 3 -> 1), one position.
    Here maps of any size work: an axis of length 1 is not pooled further, and the mean is taken over
    the positions left at the end, which for 7x7 is the published network.
    """

    def __init__(self, channels: int, running: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2 * channels, channels, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(channels, momentum=1.0, track_running_stats=running)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(channels, momentum=1.0, track_running_stats=running)
        self.fc1 = nn.Linear(channels, HIDDEN)
        self.fc2 = nn.Linear(HIDDEN, 1)
        for conv in (self.conv1, self.conv2):
            nn.init.normal_(conv.weight, 0, math.sqrt(2 / (9 * channels)))

    def forward(self, prototypes: Tensor, query: Tensor) -> Tensor:
        """Maps [E, way, C, h, w] and [E, queries, C, h, w] to scores [E, queries, way].

        A convolution is linear, so that of a concatenation is the sum of two: the first one runs once
        a prototype and once a query instead of once a pair. One episode at a time thereafter, since
        pairs fill memory (375 maps an episode) and BatchNorm sees one episode's pairs at once.
        """
        on_prototype, on_query = self.conv1.weight.chunk(2, dim=1)
        from_prototypes = F.conv2d(prototypes.flatten(0, 1), on_prototype, self.conv1.bias, padding=1)
        from_queries = F.conv2d(query.flatten(0, 1), on_query, padding=1)
        episodes = zip(
            from_prototypes.unflatten(0, prototypes.shape[:2]),
            from_queries.unflatten(0, query.shape[:2]),
            strict=True,
        )
        return torch.stack([self._score(p + q[:, None]) for p, q in episodes])

    def _score(self, pairs: Tensor) -> Tensor:
        """First convolution's output [queries, way, C, h, w] of all pairs of an episode to their scores."""
        x = _pool(self.norm1(pairs.flatten(0, 1)).relu())
        x = _pool(self.norm2(self.conv2(x)).relu())
        x = self.fc2(self.fc1(x.mean((2, 3))).relu())
        return x.unflatten(0, pairs.shape[:2]).squeeze(-1)


def _pool(maps: Tensor) -> Tensor:
    height, width = maps.shape[2:]
    return F.max_pool2d(maps, (min(2, height), min(2, width)))
