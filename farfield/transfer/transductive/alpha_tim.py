"""alpha-TIM: prototypes that make queries certain and classes diverse (Veilleux et al., "Realistic Evaluation of
Transductive Few-Shot Learning", NeurIPS 2021, arXiv 2204.11181), after TIM (arXiv 2008.11297)."""

import torch
from torch import Tensor
from torch.nn import functional as F

from farfield.settings import AboveZero, AtLeastZero, NotNegative, keyword_settings
from farfield.transfer.blocks import unit
from farfield.transfer.transductive.head import TransductiveHead, soft_means, squared_distances


@keyword_settings
class AlphaTIM(TransductiveHead):
    """Logits -temperature / 2 ||x - w_k||^2 of unit vectors, after `steps` of Adam on the prototypes w against

        cross_entropy CE(support) + conditional H_alpha(Y | queries) - marginal H_alpha(Y)

    with Tsallis' entropy H_alpha(p) = (1 - sum_k p_k^alpha) / (alpha - 1), for alpha 1 Shannon's. H(Y | queries)
    is the mean over queries, H(Y) that of their mean probabilities. Defaults are the released ones for
    Dirichlet queries.

    start: w is first the mean of the support and of queries weighted by it; None: the support means. Assumes
    balanced queries the less, the greater alpha is: H(Y) is largest for equal shares, and flatter around them.
    """

    alpha: AboveZero = 5.0
    temperature: AboveZero = 15.0
    learning_rate: AboveZero = 1e-4
    steps: NotNegative = 1000
    cross_entropy: AtLeastZero = 1.0
    conditional: AtLeastZero = 1.0
    marginal: AtLeastZero = 1.0

    def __call__(self, support: Tensor, query: Tensor, start: Tensor | None = None) -> Tensor:
        support, query = unit(support), unit(query)
        way, shot = support.shape[1:3]
        first = support.mean(2) if start is None else soft_means(support, query, start.exp())
        prototypes = first.clone().requires_grad_()
        images = torch.cat([support.flatten(1, 2), query], dim=1)
        targets = torch.arange(way, device=query.device).repeat_interleave(shot).expand(len(query), -1)
        # A sum over episodes: each has gradients, and moments of Adam, of its own.
        optimizer = torch.optim.Adam([prototypes], lr=self.learning_rate)
        with torch.enable_grad():
            for _ in range(self.steps):
                optimizer.zero_grad()
                logits = self._logits(images, prototypes)
                self._losses(logits[:, : way * shot], targets, logits[:, way * shot :]).sum().backward()
                optimizer.step()
        return self._logits(query, prototypes.detach())

    def _logits(self, images: Tensor, prototypes: Tensor) -> Tensor:
        return -self.temperature / 2 * squared_distances(images, prototypes)

    def _losses(self, support: Tensor, targets: Tensor, query: Tensor) -> Tensor:
        """[E] of logits [E, way * shot, way] and [E, Q, way]."""
        errors = F.cross_entropy(support.mT, targets, reduction="none").mean(-1)
        probabilities = query.softmax(-1)
        uncertain = tsallis(probabilities, self.alpha).mean(-1)
        diverse = tsallis(probabilities.mean(1), self.alpha)
        return self.cross_entropy * errors + self.conditional * uncertain - self.marginal * diverse


def tsallis(probabilities: Tensor, alpha: float) -> Tensor:
    """Tsallis' entropy of the last dimension, in nats for alpha 1."""
    if alpha == 1:
        return torch.special.entr(probabilities).sum(-1)
    return (1 - (probabilities**alpha).sum(-1)) / (alpha - 1)
