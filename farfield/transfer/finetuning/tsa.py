"""Task-specific adapters (Li et al., "Cross-domain Few-shot Learning with Task-specific Adapters", CVPR 2022,
arXiv 2107.00358; VICO-UoE/URL): the network stays, and each episode learns what stands beside its convolutions.

Every 3x3 convolution becomes conv(x) + A x with a 1x1 kernel A, and features go through a square map B. Both
are learned on the support: cross-entropy of its images by the cosines to its own class means. As all weights but
these are shared, the images of all episodes go through each convolution together; only A x is a product an
episode.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.backbones.backbone import Backbone
from farfield.networks.convolutions import replace_convolutions
from farfield.transfer.finetuning.settings import TSA

IMAGES = 256  # of support that go through a network at once


class Beside(nn.Module):
    """conv(x) + A x of E episodes, whose n images each follow each other in x [E * n, C, h, w]."""

    def __init__(self, conv: nn.Conv2d, episodes: int, start: float) -> None:
        super().__init__()
        self.conv = conv
        eye = start * torch.eye(conv.out_channels, conv.in_channels).to(conv.weight)
        self.adapter = nn.Parameter(eye.repeat(episodes, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = self.conv.stride
        centres = x[..., ::rows, ::columns]
        beside = self.adapter[:, None] @ centres.unflatten(0, (len(self.adapter), -1)).flatten(3)
        return self.conv(x) + beside.flatten(0, 1).unflatten(2, centres.shape[2:])


def adapted_logits(backbone: Backbone, support: Tensor, query: Tensor, tsa: TSA) -> Tensor:
    """Logits [E, Q, way] of query [E, Q, 3, H, W] by networks adapted to support [E, way, shot, 3, H, W].

    Images are normalised, on the device and in the precision of `backbone`, which is left as it was. BatchNorm
    keeps the pretrained statistics, and nothing is drawn.
    """
    together = max(1, IMAGES // support[0, :, :, 0, 0, 0].numel())
    parts = [
        _adapted(backbone, some, asked, tsa)
        for some, asked in zip(support.split(together), query.split(together), strict=True)
    ]
    return torch.cat(parts)


def _adapted(backbone: Backbone, support: Tensor, query: Tensor, tsa: TSA) -> Tensor:
    episodes, way, shot = support.shape[:3]
    frozen = copy.deepcopy(backbone).eval().requires_grad_(False)
    network = replace_convolutions(
        frozen, lambda c: Beside(c, episodes, tsa.start) if c.kernel_size == (3, 3) and c.groups == 1 else c
    )
    adapters = [module.adapter for module in network.modules() if isinstance(module, Beside)]
    eye = torch.eye(backbone.feature_dim).to(support)
    turn = eye.repeat(episodes, 1, 1).requires_grad_()

    def features(images: Tensor) -> Tensor:
        """[E, n, d] of [E, n, 3, H, W]."""
        return network(images.flatten(0, 1)).unflatten(0, images.shape[:2]) @ turn

    def logits(points: Tensor, means: Tensor) -> Tensor:
        return tsa.scale * F.normalize(points, dim=-1) @ F.normalize(means, dim=-1).mT

    images, targets = support.flatten(1, 2), torch.arange(way).repeat_interleave(shot).to(support.device)
    groups = [{"params": adapters, "lr": tsa.rate}, {"params": [turn], "lr": tsa.map_rate}]
    optimizer = torch.optim.Adadelta(groups)
    with torch.enable_grad():
        for _ in range(tsa.steps):
            points = features(images)
            found = logits(points, points.unflatten(1, (way, shot)).mean(2))
            # Each episode's loss is its mean, so that each gets its own gradient.
            loss = F.cross_entropy(found.flatten(0, 1), targets.repeat(episodes), reduction="sum")
            optimizer.zero_grad()
            (loss / len(targets)).backward()
            optimizer.step()
    with torch.no_grad():
        means = features(images).unflatten(1, (way, shot)).mean(2)
        return logits(features(query), means)
