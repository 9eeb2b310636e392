"""SNAIL (Mishra et al., arXiv 1707.03141): an episode is a sequence, and the query stands at its end."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.backbones.backbone import Backbone
from farfield.errors import InputError
from farfield.metalearning.learner import EmbeddingLearner


class SNAIL(EmbeddingLearner):
    """Support embeddings, each with its one-hot label, in random order, then a query with zeros for a
    label; causal attention and causal dilated convolutions; the logits are a linear map of the last
    position.

    Images are embedded once an episode; each query ends a sequence of its own. In evaluation the order is
    one random order of the ways and shots for all episodes, whose classes are in random order themselves.

    filters: of a convolution, 128 as published; attention has half as many, twice and four times for its
    keys, and half of these for its values. longest_shot: fixes the number of convolutions; episodes may
    have fewer shots. first_dilation: 1 reaches every position; 2, as the paper's pseudo-code has it, those
    at even distances. scaled: embeddings have the length sqrt(d). equal_start: query and key weights start
    equal, so that the first attention is a similarity."""

    one_way = True

    def __init__(
        self,
        backbone: Backbone,
        way: int,
        filters: int = 128,
        longest_shot: int = 5,
        first_dilation: int = 1,
        scaled: bool = False,
        equal_start: bool = False,
    ) -> None:
        super().__init__(backbone)
        if filters < 4 or filters % 4:
            raise InputError(f"filters of SNAIL must be a multiple of 4, found {filters}")
        if longest_shot < 1 or first_dilation not in (1, 2):
            raise InputError(
                f"longest_shot must be at least 1 and first_dilation 1 or 2, found {longest_shot} and "
                f"{first_dilation}"
            )
        self.scaled = scaled
        length, size = way * longest_shot + 1, backbone.feature_dim + way
        layers: list[nn.Module] = []
        for i, keys in enumerate((filters // 2, 2 * filters, 4 * filters)):
            layers.append(Attention(size, keys, keys // 2, equal_start))
            size += keys // 2
            if i < 2:
                dense = math.ceil(math.log2(length))
                for j in range(dense):
                    layers.append(DenseBlock(size, first_dilation * 2**j, filters))
                    size += filters
        self.layers = nn.Sequential(*layers)
        self.last = nn.Linear(size, way)

    def classify(self, support: Tensor, query: Tensor) -> Tensor:
        return self.last(self.layers(self.sequences(support, query))[:, -1]).unflatten(0, query.shape[:2])

    def sequences(self, support: Tensor, query: Tensor) -> Tensor:
        """[E * queries, way * shot + 1, d + way]."""
        episodes, way, shot = support.shape[:3]
        labels = torch.eye(way).to(support).repeat_interleave(shot, 0).expand(episodes, -1, -1)
        labelled = torch.cat([self._embedding(support.flatten(1, 2)), labels], dim=-1)
        if self.training:
            orders = torch.stack([torch.randperm(way * shot) for _ in range(episodes)]).to(support.device)
        else:
            fixed = torch.randperm(way * shot, generator=torch.Generator().manual_seed(0))
            orders = fixed.to(support.device).expand(episodes, -1)
        labelled = labelled.take_along_dim(orders[..., None], 1)
        asked = F.pad(self._embedding(query), (0, way))
        past = labelled[:, None].expand(-1, query.shape[1], -1, -1)
        return torch.cat([past, asked[:, :, None]], dim=2).flatten(0, 1)

    def _embedding(self, features: Tensor) -> Tensor:
        if not self.scaled:
            return features
        return F.normalize(features, dim=-1) * math.sqrt(features.shape[-1])


class DenseBlock(nn.Module):
    """x [n, T, size] beside tanh(a) sigmoid(b) [n, T, filters], a and b causal convolutions of two
    positions."""

    def __init__(self, size: int, dilation: int, filters: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.now = nn.Linear(size, 2 * filters)
        self.before = nn.Linear(size, 2 * filters, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        # Kernel 2 is a sum of two linear maps; before the beginning there are zeros.
        earlier = F.pad(self.before(x), (0, 0, self.dilation, 0))[:, : x.shape[1]]
        candidate, gate = (self.now(x) + earlier).chunk(2, dim=-1)
        return torch.cat([x, candidate.tanh() * gate.sigmoid()], dim=-1)


class Attention(nn.Module):
    """x [n, T, size] beside what each position reads of itself and those before it, [n, T, values]."""

    def __init__(self, size: int, keys: int, values: int, equal_start: bool) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(size, keys), nn.Linear(size, keys)
        self.value = nn.Linear(size, values)
        if equal_start:
            self.key.load_state_dict(self.query.state_dict())

    def forward(self, x: Tensor) -> Tensor:
        read = F.scaled_dot_product_attention(self.query(x), self.key(x), self.value(x), is_causal=True)
        return torch.cat([x, read], dim=-1)
