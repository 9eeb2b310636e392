"""Dynamic few-shot visual learning without forgetting (Gidaris and Komodakis, arXiv 1804.09458)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.backbones.backbone import Backbone
from farfield.errors import InputError
from farfield.metalearning.learner import EmbeddingLearner, query_targets


class WeightGenerator(EmbeddingLearner):
    """A cosine classifier of base classes that is given weights for new ones.

    Scores are scale * cos(z, w). With zbar and wbar of length one, the weight of a new class is

        phi_avg * mean_i zbar_i + phi_att * mean_i sum_b softmax_b(gamma cos(phi_q zbar_i, k_b)) wbar_b,

    the memory being the keys k_b and weights w_b of the base classes b; phi_avg and phi_att multiply
    coordinate by coordinate. Everything but z is learned.

    In training the first `novel` ways of an episode play new classes and leave the memory; the queries of
    the other ways are of base classes. All are classified among all base classes, the new ones by their
    generated weights. Base weights start as class means (`prepare`), where the paper trains them with its
    network.

    classes: how many base classes.
    """

    def __init__(self, backbone: Backbone, way: int, classes: int, novel: int = 5) -> None:
        super().__init__(backbone)
        if classes <= novel or novel < 1:
            raise InputError(f"{novel} ways play new classes, which leaves nothing of {classes} base classes")
        dim = backbone.feature_dim
        self.novel = novel
        self.weights = nn.Parameter(torch.randn(classes, dim) * (2 / dim) ** 0.5)
        self.keys = nn.Parameter(torch.randn(classes, dim) * (2 / dim) ** 0.5)
        self.phi_q = nn.Linear(dim, dim)
        nn.init.zeros_(self.phi_q.bias)
        self.phi_q.weight.data.normal_(0, 0.001).add_(torch.eye(dim))
        self.gamma = nn.Parameter(torch.tensor(10.0))
        self.phi_avg, self.phi_att = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.ones(dim))
        self.scale = nn.Parameter(torch.tensor(10.0))

    def prepare(self, features: Tensor, labels: Tensor) -> None:
        classes = len(self.weights)
        sums = torch.zeros_like(self.weights.data).index_add_(0, labels, F.normalize(features, dim=-1))
        self.weights.data.copy_(sums / labels.bincount(minlength=classes)[:, None])

    def classify(self, support: Tensor, query: Tensor) -> Tensor:
        return self.scale * F.normalize(query, dim=-1) @ F.normalize(self.generated(support), dim=-1).mT

    def generated(self, support: Tensor, absent: Tensor | None = None) -> Tensor:
        """Weights [E, way, d] of new classes from support [E, way, shot, d]. absent: int [E, a], base
        classes that have left the memory of each episode."""
        units = F.normalize(support, dim=-1)
        asked = F.normalize(self.phi_q(units), dim=-1)
        attention = self.gamma * asked @ F.normalize(self.keys, dim=-1).mT  # [E, way, shot, classes]
        if absent is not None:
            gone = torch.zeros(len(support), attention.shape[-1], dtype=torch.bool, device=support.device)
            attention = attention.masked_fill(gone.scatter(1, absent, True)[:, None, None], -torch.inf)
        read = attention.softmax(-1) @ F.normalize(self.weights, dim=-1)
        return self.phi_avg * units.mean(2) + self.phi_att * read.mean(2)

    def task_loss(self, support: Tensor, query: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        support, query = self.embed_episodes(support, query)
        way, new = support.shape[1], classes[:, : self.novel]
        if way < self.novel:
            raise InputError(f"an episode has {way} ways, and {self.novel} of them play new classes")
        weights = self.weights.expand(len(support), -1, -1)
        made = self.generated(support[:, : self.novel], new)
        weights = weights.scatter(1, new[..., None].expand_as(made), made)
        scores = self.scale * F.normalize(query, dim=-1) @ F.normalize(weights, dim=-1).mT
        queries = query.shape[1]
        target = classes[:, query_targets(way, queries, query.device)]
        asked = queries // way * self.novel
        among = scores[:, :asked].take_along_dim(new[:, None], 2)  # as it will be asked: the new ways alone
        return F.cross_entropy(scores.flatten(0, 1), target.flatten()), among
