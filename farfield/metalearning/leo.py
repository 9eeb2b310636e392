"""LEO, meta-learning with latent embedding optimization (Rusu et al., arXiv 1807.05960, and the released
code)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.backbones.backbone import Backbone
from farfield.errors import InputError
from farfield.metalearning.learner import EmbeddingLearner, query_targets

FLOOR = 1e-10  # of standard deviations


class LEO(EmbeddingLearner):
    """Gradient descent in a small latent space that decodes to the weights of a linear classifier.

    On features x of length one. All ordered pairs of encoded support images go through a relation network,
    whose outputs, averaged over the second image and over a class, are mean and deviation of the latent
    code z of the class; the code is copied once an image of the support, and each copy decodes to a
    distribution of weights. A class's logit is the mean over its copies. Inner steps follow the gradient of
    the summed cross-entropy of the support: first in z, with a learned rate for each of its coordinates,
    then in the weights. Codes and weights are drawn in training and are their means in a test.

    The loss adds, beside the cross-entropy of the queries: `kl` times one draw's log q(z) - log p(z),
    `encoder` times the squared distance of the first codes to the last, which count as constants, `l2`
    times half the squares of all matrices, `orthogonality` times the mean squared difference of the cosines
    of the decoder's rows to I.

    latent: size of the code. steps, weight_steps: in z and in the weights.
    """

    def __init__(
        self,
        backbone: Backbone,
        way: int,
        latent: int = 64,
        steps: int = 5,
        weight_steps: int = 5,
        dropout: float = 0.3,
        kl: float = 0.001,
        encoder: float = 1e-5,
        l2: float = 1e-8,
        orthogonality: float = 1e-3,
    ) -> None:
        super().__init__(backbone)
        if latent < 1 or steps < 0 or weight_steps < 0 or not 0 <= dropout < 1:
            raise InputError(
                "LEO needs latent of at least 1, steps of at least 0 and dropout in [0, 1), found "
                f"{latent}, {steps}, {weight_steps} and {dropout}"
            )
        dim = backbone.feature_dim
        self.steps, self.weight_steps, self.dropout = steps, weight_steps, dropout
        self.kl, self.encoder_weight, self.l2, self.orthogonality = kl, encoder, l2, orthogonality
        self.encoder = nn.Linear(dim, latent, bias=False)
        pair = 2 * latent
        self.relation = nn.Sequential(
            nn.Linear(pair, pair, bias=False),
            nn.ReLU(),
            nn.Linear(pair, pair, bias=False),
            nn.ReLU(),
            nn.Linear(pair, pair, bias=False),
        )
        self.decoder = nn.Linear(latent, 2 * dim, bias=False)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
        self.rates = nn.Parameter(torch.ones(latent))
        self.weight_rates = nn.Parameter(torch.full((dim,), 0.001))

    def classify(self, support: Tensor, query: Tensor) -> Tensor:
        weights, _ = self.adapted(F.normalize(support, dim=-1))
        return logits(F.normalize(query, dim=-1), weights)

    def loss(self, support: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        support, query = (F.normalize(one, dim=-1) for one in self.embed_episodes(support, query))
        weights, regular = self.adapted(support)
        scores = logits(query, weights)
        way = support.shape[1]
        target = query_targets(way, query.shape[1], query.device).repeat(len(query))
        matrices = [layer.weight for layer in self.modules() if isinstance(layer, nn.Linear)]
        rows = F.normalize(self.decoder.weight.T, dim=-1)
        crossed = (rows @ rows.T - torch.eye(len(rows), device=rows.device)).square().mean()
        value = F.cross_entropy(scores.flatten(0, 1), target) + regular + self.orthogonality * crossed
        return value + self.l2 * sum(matrix.square().sum() / 2 for matrix in matrices), scores

    def adapted(self, support: Tensor) -> tuple[Tensor, Tensor]:
        """Weights [E, way, copies, d] from support [E, way, shot, d] of length one, and what the inner
        steps add to the loss."""
        way, shot = support.shape[1:3]
        target = query_targets(way, way * shot, support.device)

        def gradient(weights: Tensor, by: Tensor) -> Tensor:
            scores = logits(self._dropped(support).flatten(1, 2), weights)
            summed = F.cross_entropy(scores.flatten(0, 1), target.repeat(len(scores)), reduction="sum")
            return torch.autograd.grad(summed, by, create_graph=self.training)[0]

        # Callers that only ask switch gradients off, and what inference mode made cannot be differentiated.
        with torch.inference_mode(False), torch.enable_grad():
            if support.is_inference():
                support = support.clone()
            mean, deviation = self.encoded(support)
            code = start = self._drawn(mean, deviation)
            if not start.requires_grad:
                code = start.detach().requires_grad_()
            divergence = (_log_density(start, mean, deviation) - _log_density(start)).mean()
            weights = self._drawn(*self.decoded(code, way))
            for _ in range(self.steps):
                code = code - self.rates * gradient(weights, code)
                weights = self._drawn(*self.decoded(code, way))
            apart = (code.detach() - start).square().mean()
            for _ in range(self.weight_steps):
                weights = weights - self.weight_rates * gradient(weights, weights)
        return weights, self.kl * divergence + self.encoder_weight * apart

    def encoded(self, support: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the codes [E, way, shot, latent]: the same for all copies of a class."""
        way, shot = support.shape[1:3]
        codes = self.encoder(self._dropped(support)).flatten(1, 2)  # [E, n, latent]
        count = codes.shape[1]
        pairs = [codes[:, :, None].expand(-1, -1, count, -1), codes[:, None].expand(-1, count, -1, -1)]
        related = self.relation(torch.cat(pairs, dim=-1)).mean(2).unflatten(1, (way, shot)).mean(2)
        mean, raw = related[:, :, None].expand(-1, -1, shot, -1).chunk(2, dim=-1)
        return mean, (raw.exp() - 1).clamp_min(FLOOR)

    def decoded(self, code: Tensor, way: int) -> tuple[Tensor, Tensor]:
        """Mean and deviation of weights [E, way, copies, d]."""
        mean, raw = self.decoder(code).chunk(2, dim=-1)
        offset = 1 - math.sqrt(2 / (way + mean.shape[-1]))
        return mean, (raw.exp() - offset).clamp_min(FLOOR)

    def _drawn(self, mean: Tensor, deviation: Tensor) -> Tensor:
        return mean + deviation * torch.randn_like(mean) if self.training else mean

    def _dropped(self, values: Tensor) -> Tensor:
        return F.dropout(values, self.dropout, self.training)


def logits(features: Tensor, weights: Tensor) -> Tensor:
    """[E, m, way] of features [E, m, d] and copies of weights [E, way, copies, d]."""
    return features @ weights.mean(2).mT


def _log_density(values: Tensor, mean: Tensor | float = 0.0, deviation: Tensor | float = 1.0) -> Tensor:
    deviation = torch.as_tensor(deviation, dtype=values.dtype, device=values.device)
    return -((values - mean) / deviation).square() / 2 - deviation.log() - math.log(2 * math.pi) / 2
