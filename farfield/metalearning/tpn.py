"""Transductive propagation networks (TPN, Liu et al., arXiv 1805.10002): labels spread along a graph of
support and queries, whose widths a small network gives."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.backbones.backbone import Backbone
from farfield.errors import InputError
from farfield.metalearning.learner import EmbeddingLearner, query_targets

START = 0.25  # of widths; 0.2 and 0.3 do as well on drawn objects, 0.1 and 0.5 do not


class TPN(EmbeddingLearner):
    """Each of the n = way * shot + queries images i has an embedding z_i and a width sigma_i, and

        W_ij = exp(-1/2 mean over d (z_i / sigma_i - z_j / sigma_j)^2),

    kept where it is among the `neighbours` largest of row i or of row j. With S = D^-1/2 W D^-1/2 and Y
    one-hot for the support and zero for queries, the scores are F = (I - alpha S)^-1 Y. In training,
    support and queries both count.

    The graph depends on how many queries there are, so an episode's number of queries belongs to the
    method."""

    transductive = True

    def __init__(self, backbone: Backbone, way: int, alpha: float = 0.99, neighbours: int = 20) -> None:
        super().__init__(backbone)
        if not 0 < alpha < 1 or neighbours < 1:
            raise InputError(
                f"alpha must lie between 0 and 1 and neighbours be at least 1, found {alpha} and {neighbours}"
            )
        self.alpha, self.neighbours = alpha, neighbours
        self.width = Width(backbone.stage_dims[-1], backbone.feature_dim)

    def embed(self, images: Tensor) -> Tensor:
        """Images [n, 3, H, W] to z / sigma, [n, d]."""
        last = self.backbone.stages(images)[-1]
        return last.flatten(1) / (self.width(last) + torch.finfo(last.dtype).eps)

    def classify(self, support: Tensor, query: Tensor) -> Tensor:
        return self.propagated(support, query)[:, support.shape[1] * support.shape[2] :]

    def loss(self, support: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        support, query = self.embed_episodes(support, query)
        way, shot = support.shape[1:3]
        scores = self.propagated(support.float(), query.float())
        sides = [query_targets(way, count, scores.device) for count in (way * shot, query.shape[1])]
        target = torch.cat(sides).repeat(len(scores))
        return F.cross_entropy(scores.flatten(0, 1), target), scores[:, way * shot :]

    def propagated(self, support: Tensor, query: Tensor) -> Tensor:
        """F [E, way * shot + queries, way] from embeddings."""
        way, shot = support.shape[1:3]
        points = torch.cat([support.flatten(1, 2), query], dim=1)
        similar = graph(similarities(points), self.neighbours)
        labels = points.new_zeros(points.shape[1], way)
        labels[: way * shot] = torch.eye(way, device=points.device).repeat_interleave(shot, 0)
        system = torch.eye(points.shape[1], device=points.device) - self.alpha * similar
        # S is symmetric with eigenvalues in [-1, 1], so the system is positive definite.
        return torch.cholesky_solve(labels.expand(len(points), -1, -1), torch.linalg.cholesky_ex(system)[0])


def similarities(points: Tensor) -> Tensor:
    """exp(-1/2 mean over d (x_i - x_j)^2), [E, n, n], of points [E, n, d]."""
    squares = points.square().sum(-1)
    apart = squares[:, :, None] + squares[:, None] - 2 * points @ points.mT
    # A width near zero makes points so large that rounding sets one apart from itself, and its row to zero.
    itself = torch.eye(points.shape[1], dtype=torch.bool, device=points.device)
    return (-apart.clamp_min(0).masked_fill(itself, 0) / (2 * points.shape[-1])).exp()


def graph(similar: Tensor, neighbours: int) -> Tensor:
    """D^-1/2 W D^-1/2 with W the `neighbours` largest similarities of each row, and their transposes."""
    nearest = similar.topk(min(neighbours, similar.shape[-1]), dim=-1).indices
    kept = torch.zeros_like(similar, dtype=torch.bool).scatter(-1, nearest, True)
    weights = similar * (kept | kept.mT)
    root = weights.sum(-1).sqrt()
    return weights / (root[:, :, None] * root[:, None])


class Width(nn.Module):
    """sigma of each image from its map [n, C, h, w]: conv 3x3 to C and conv 3x3 to 1, each with BatchNorm,
    ReLU and max-pool 2 with a border of 1; then linear to 8, ReLU, linear to 1. Nothing keeps sigma above
    zero, but every image's starts at `START`, where maps after BatchNorm and ReLU are neither all alike nor
    all apart. Near zero no image is like another, labels reach no query, and nothing is learned from there."""

    def __init__(self, channels: int, flattened: int) -> None:
        super().__init__()
        side = int((flattened // channels) ** 0.5)
        for _ in range(2):
            side = side // 2 + 1
        self.maps = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.MaxPool2d(2, padding=1),
            nn.Conv2d(channels, 1, 3, padding=1),
            nn.BatchNorm2d(1),
            nn.ReLU(),
            nn.MaxPool2d(2, padding=1),
        )
        last = nn.Linear(8, 1)
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, START)
        self.side = side
        self.line = nn.Sequential(nn.Linear(side**2, 8), nn.ReLU(), last)

    def forward(self, maps: Tensor) -> Tensor:
        # The side of a last map that its network averages is not known before; means take it to `side`.
        seen = self.maps(maps)
        if seen.shape[2:] != (self.side, self.side):
            seen = F.adaptive_avg_pool2d(seen, self.side)
        return self.line(seen.flatten(1))
