"""Matching networks with full context embeddings (Vinyals et al., arXiv 1606.04080, and its appendix A).

The details are those of "A Closer Look at Few-shot Classification" (arXiv 1904.04232): as many
attention steps as support images, and logits that are logarithms of probabilities.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.backbones.backbone import Backbone
from farfield.errors import InputError
from farfield.metalearning.learner import EmbeddingLearner, query_targets

Attention = Literal["softmax", "cosine_sum"]

SHARPNESS = 100.0  # of the softmax over cosines
FLOOR = 1e-6  # added to probabilities, so that their logarithm exists


class MatchingNet(EmbeddingLearner):
    """A query has the probability of a class that its attention over the support puts on that class.

    Both sides see the whole support: a bidirectional LSTM reads it in class-major order, and an LSTM
    with attention reads it once for each of its images, starting from the query. So the result
    depends, a little, on the order of the support.

    attention: "softmax" over the support, or "cosine_sum", by which the logit of a class is the sum of the
    cosines to its images, as in the re-implementation of Ravi and Larochelle whose numbers are the usual ones.
    """

    def __init__(self, backbone: Backbone, way: int, attention: Attention = "softmax") -> None:
        super().__init__(backbone)
        if attention not in get_args(Attention):
            raise InputError(f"attention must be {' or '.join(get_args(Attention))}, found {attention!r}")
        self.attention = attention
        dim = backbone.feature_dim
        self.support_lstm = nn.LSTM(dim, dim, batch_first=True, bidirectional=True)
        self.query_lstm = nn.LSTMCell(2 * dim, dim)  # input: the query, then what attention read

    def classify(self, support: Tensor, query: Tensor) -> Tensor:
        way, shot = support.shape[1:3]
        memory = self.encode_support(support.flatten(1, 2))
        encoded = self.encode_query(query, memory)
        cosine = _unit(encoded) @ _unit(memory).mT  # [E, queries, way * shot]
        if self.attention == "cosine_sum":
            return cosine.unflatten(-1, (way, shot)).sum(-1)
        attention = (cosine.relu() * SHARPNESS).softmax(-1)
        return (attention.unflatten(-1, (way, shot)).sum(-1) + FLOOR).log()

    def loss(self, support: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        """As `MetaLearner.loss`, but logits that are logarithms are not normalised once more."""
        if self.attention == "cosine_sum":
            return super().loss(support, query)
        logits = self(support, query)
        episodes, queries, way = logits.shape
        target = query_targets(way, queries, logits.device).repeat(episodes)
        return F.nll_loss(logits.flatten(0, 1), target), logits

    def encode_support(self, support: Tensor) -> Tensor:
        """Embeddings S [E, n, d] of the support to G = S + forward + backward hidden states."""
        # cuDNN's LSTM cannot be differentiated twice, nor once in evaluation mode; learning the
        # feature-wise transformation needs both. Without cuDNN it is a small part of an episode.
        with torch.backends.cudnn.flags(enabled=False):
            hidden = self.support_lstm(support)[0]
        forward, backward = hidden.chunk(2, dim=-1)
        return support + forward + backward

    def encode_query(self, query: Tensor, memory: Tensor) -> Tensor:
        """Embeddings f [E, queries, d] of queries to h after n steps of attention over G [E, n, d].

        h = f and c = 0, then n times: r = softmax(h G^T) G; h, c = LSTM([f; r], (h, c)); h = h + f.

        The cell's gates are a linear map of [f; r]. Its part on f is the same at all steps; its part
        on r = a G is a (G W^T), with G W^T computed once too. That leaves a third of the products.
        """
        cell = self.query_lstm
        on_query, on_read = cell.weight_ih.chunk(2, dim=1)
        fixed = F.linear(query, on_query, cell.bias_ih + cell.bias_hh)  # [E, queries, 4 d]
        readable = F.linear(memory, on_read)  # [E, n, 4 d]
        hidden, state = query, torch.zeros_like(query)
        for _ in range(memory.shape[1]):
            attention = (hidden @ memory.mT).softmax(-1)
            gates = torch.baddbmm(fixed, attention, readable) + F.linear(hidden, cell.weight_hh)
            entry, forget, candidate, output = gates.chunk(4, dim=-1)  # in PyTorch's order
            state = forget.sigmoid() * state + entry.sigmoid() * candidate.tanh()
            hidden = output.sigmoid() * state.tanh() + query
        return hidden


def _unit(vectors: Tensor) -> Tensor:
    """Vectors divided by their length + 1e-5 (the reference's way around division by zero)."""
    return vectors / (vectors.norm(dim=-1, keepdim=True) + 1e-5)
