"""What a meta-learner offers, for training and for evaluation alike."""

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.backbones.backbone import Backbone
from farfield.errors import InputError
from farfield.transfer.learner import AllImages, Head


def query_targets(way: int, queries: int, device: torch.device) -> Tensor:
    """int64 [queries]: the way of each query of an episode; queries are class-major."""
    return torch.arange(way, device=device).repeat_interleave(queries // way)


class MetaLearner(nn.Module):
    """Learns from the support of E episodes and scores their queries.

    support [E, way, shot, 3, H, W] and query [E, way * queries, 3, H, W] are normalised images.
    transductive: whether the queries of an episode are classified jointly.
    one_way: whether it answers episodes of no other number of ways than it was trained with.
    tasks: how the losses of the tasks of one training step are combined.
    exportable: whether a trained one classifies each image by itself, with its backbone and one head.
    """

    transductive: bool = False
    one_way: ClassVar[bool] = False
    exportable: ClassVar[bool] = False
    tasks: ClassVar[Literal["mean", "sum"]] = "mean"

    def forward(self, support: Tensor, query: Tensor, first: int = 0) -> Tensor:
        """Logits [E, way * queries, way]; `first` is the number of the first episode in its list."""
        raise NotImplementedError

    def export(self, images: AllImages) -> tuple[Head, dict[str, Any]]:
        """The head of a classifier of `images`, whose features are those of the trained backbone; see
        `farfield.transfer.learner.Learner`. InputError if the learner is not `exportable`."""
        raise InputError(f"{type(self).__name__} cannot be written as one network that classifies each image")

    def loss(self, support: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        """The training loss, a mean over episodes and queries, and the logits it was taken from."""
        logits = self(support, query)
        way = logits.shape[-1]
        target = query_targets(way, logits.shape[1], logits.device).repeat(len(logits))
        return F.cross_entropy(logits.flatten(0, 1), target), logits

    def task_loss(self, support: Tensor, query: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """`loss`, told which of the classes trained on the ways of each episode are, int [E, way] from
        0."""
        return self.loss(support, query)

    def prepare(self, features: Tensor, labels: Tensor) -> None:
        """Look once, before training, at features [n, d] of all images trained on and their classes [n]
        from 0."""

    def auxiliary_probability(self, over: float) -> float:
        """How probable a step on `auxiliary_loss` is before an episode's, when this part of training is
        over."""
        return 0.0

    def auxiliary_loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Of images [n, 3, H, W] and their classes [n] from 0."""
        raise NotImplementedError


class EmbeddingLearner(MetaLearner):
    """A meta-learner that embeds each image by itself and compares embeddings.

    In evaluation mode an image has one embedding whatever its episode, so all images of a dataset are
    embedded once and `classify` answers any number of episodes. In training mode BatchNorm sees the
    support and the query of one episode together, as in the reference code.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def embed(self, images: Tensor) -> Tensor:
        """Images [n, 3, H, W] to embeddings [n, ...]."""
        return self.backbone(images)

    def classify(self, support: Tensor, query: Tensor) -> Tensor:
        """Logits [E, way * queries, way] from embeddings [E, way, shot, ...] and [E, way * queries,
        ...]."""
        raise NotImplementedError

    def forward(self, support: Tensor, query: Tensor, first: int = 0) -> Tensor:
        support, query = self.embed_episodes(support, query)
        # Embeddings may come in bfloat16, in which the difference of two large distances is lost.
        precision = torch.promote_types(support.dtype, torch.float32)
        with torch.autocast(support.device.type, enabled=False):
            return self.classify(support.to(precision), query.to(precision))

    def embed_episodes(self, support: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings [E, way, shot, ...] and [E, way * queries, ...] of the images of E episodes."""
        way, shot = support.shape[1:3]
        images = torch.cat([support.flatten(1, 2), query], dim=1)  # [E, n, 3, H, W]
        if self.training:
            embedded = torch.stack([self.embed(episode) for episode in images])
        else:
            embedded = self.embed(images.flatten(0, 1)).unflatten(0, images.shape[:2])
        return embedded[:, : way * shot].unflatten(1, (way, shot)), embedded[:, way * shot :]
