"""Task-specific adapters of many episodes against one episode after the other, written out."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from farfield.backbones import build
from farfield.errors import InputError
from farfield.transfer.finetuning import tsa as module
from farfield.transfer.finetuning.engine import fine_tune
from farfield.transfer.finetuning.settings import TSA, FineTuning


class Parallel(nn.Module):
    def __init__(self, conv: nn.Conv2d, start: float) -> None:
        super().__init__()
        self.conv = conv
        self.side = nn.Conv2d(conv.in_channels, conv.out_channels, 1, stride=conv.stride, bias=False).double()
        self.side.weight.data.zero_()
        for i in range(min(conv.in_channels, conv.out_channels)):
            self.side.weight.data[i, i, 0, 0] = start

    def forward(self, x):
        return self.conv(x) + self.side(x)


def reference(backbone, support, query, settings):
    """One episode: support [way, shot, 3, h, w], query [Q, 3, h, w]."""
    network = copy.deepcopy(backbone).eval()
    for parameter in network.parameters():
        parameter.requires_grad = False
    sides = []
    for block in [block for stage in network.layers for block in stage.children()]:
        for name in ("conv1", "conv2"):
            setattr(block, name, Parallel(getattr(block, name), settings.start))
            sides.append(getattr(block, name).side.weight)
    turn = torch.eye(network.feature_dim, dtype=torch.float64, requires_grad=True)
    first = torch.optim.Adadelta(sides, lr=settings.rate)
    second = torch.optim.Adadelta([turn], lr=settings.map_rate)
    way, shot = support.shape[:2]

    def means():
        return torch.stack([(network(support[k]) @ turn).mean(0) for k in range(way)])

    def classify(images, prototypes):
        return settings.scale * F.cosine_similarity(
            (network(images) @ turn)[:, None], prototypes[None], dim=-1
        )

    for _ in range(settings.steps):
        prototypes = means()
        losses = [
            F.cross_entropy(classify(support[k], prototypes), torch.full((shot,), k)) for k in range(way)
        ]
        first.zero_grad()
        second.zero_grad()
        torch.stack(losses).mean().backward()
        first.step()
        second.step()
    with torch.no_grad():
        return classify(query, means())


def network_and_images(size=24):
    torch.manual_seed(0)
    backbone = build("resnet10", width=4, image_size=size).double()
    for norm in backbone.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.normal_(0, 0.2)
            norm.running_var.uniform_(0.5, 1.5)
    return backbone, torch.randn(3, 4, 2, 3, size, size).double(), torch.randn(3, 5, 3, size, size).double()


def test_episodes_together_are_adapted_as_each_alone(monkeypatch):
    backbone, support, query = network_and_images()
    before = copy.deepcopy(backbone.state_dict())
    monkeypatch.setattr(module, "IMAGES", 16)  # two episodes, and then one
    settings = TSA(steps=4)
    got = fine_tune(backbone, support, query, FineTuning(tsa=settings), ["head"], seed=0)["head"]
    for e in range(3):
        expected = reference(backbone, support[e], query[e], settings)
        torch.testing.assert_close(got[e], expected, rtol=1e-8, atol=1e-8)
    for key, value in backbone.state_dict().items():
        assert torch.equal(value, before[key])


def test_adapting_lowers_the_loss_of_the_support():
    backbone, support, _ = network_and_images()
    targets = torch.arange(4).repeat_interleave(2).repeat(3)
    losses = []
    for steps in (1, 30):
        got = module.adapted_logits(backbone, support, support.flatten(1, 2), TSA(steps=steps))
        losses.append(F.cross_entropy(got.flatten(0, 1), targets).item())
    assert losses[1] < 0.7 * losses[0]


def test_features_of_adapters_are_not_read():
    backbone, support, query = network_and_images()
    with pytest.raises(InputError, match="the readouts head and no other; found query_features"):
        fine_tune(backbone, support, query, FineTuning(tsa=TSA()), ["query_features"], seed=0)
