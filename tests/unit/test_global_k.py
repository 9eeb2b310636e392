"""Global-k: two terms pull the policy to k blocks for all images, and what is left is a plain network."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from farfield.backbones import build
from farfield.errors import InputError
from farfield.training.classifier import Classifier
from farfield.training.images import evaluation_view
from farfield.training.loop import LabelledImages
from farfield.tuning.gumbel import straight_through
from farfield.tuning.methods.global_k import GlobalK, budget, indecision

SETTINGS = {"seed": 0, "policy_width": 8, "epochs": 10}


def made(**settings):
    torch.manual_seed(0)
    return GlobalK(**{**SETTINGS, **settings})(build("resnet10", width=8), 5)


def images(count=12):
    packed = np.random.default_rng(0).integers(0, 256, (count, 18, 18, 3), dtype=np.uint8)
    return LabelledImages(torch.from_numpy(packed), torch.arange(count), torch.arange(count) % 5)


def test_the_terms_are_those_of_the_paper():
    usage = torch.tensor([0.0, 0.25, 1.0])
    assert float(budget(usage, 3)) == pytest.approx((1.25 - 3) ** 2)
    assert float(indecision(usage)) == pytest.approx(-0.25 * math.log(0.25))


def test_their_gradients_stay_finite_where_no_image_tunes_a_block():
    usage = torch.tensor([0.0, 1.0, 0.5], requires_grad=True)
    (gradient,) = torch.autograd.grad(indecision(usage), usage)
    expected = [-math.log(1e-6), -1.0, -math.log(0.5) - 1]
    torch.testing.assert_close(gradient, torch.tensor(expected))


def test_they_rise_over_the_given_share_of_the_epochs():
    method = GlobalK(**SETTINGS, ramp=(0.1, 0.5))
    assert [method.rise(epoch) for epoch in (0, 1, 2, 3, 4, 5, 9)] == [0, 0, 0.25, 0.5, 0.75, 1, 1]
    assert GlobalK(**SETTINGS, ramp=(0, 0)).rise(0) == 1


def test_the_loss_is_cross_entropy_and_the_terms_of_the_batch():
    adapted = made(lambda1=0.3, lambda2=0.7, k=1)
    view, targets = evaluation_view(images().images, 16), images().targets
    for epoch, risen in ((0, 0.0), (3, 0.5), (9, 1.0)):
        adapted.before_epoch(epoch, None)
        torch.manual_seed(epoch)
        value, logits = adapted.loss(adapted.network, view, targets, 0.1)
        v = adapted.network.actions.detach().mean(0)
        terms = 0.3 * (v.sum() - 1) ** 2 - 0.7 * sum(float(x) * math.log(x) for x in v if x > 0)
        expected = F.cross_entropy(logits, targets, label_smoothing=0.1) + risen * terms
        torch.testing.assert_close(value, expected)


def test_its_terms_alone_bring_a_policy_to_k_blocks_for_all_images():
    torch.manual_seed(0)
    logits = nn.Parameter(0.1 * torch.randn(5, 2))
    optimizer = torch.optim.Adam([logits], lr=0.05)
    for _ in range(600):
        usage = straight_through(logits.expand(64, 5, 2), 5.0).mean(0)
        optimizer.zero_grad()
        (budget(usage, 2) + 0.5 * indecision(usage)).backward()
        optimizer.step()
    p = F.softmax(logits.detach(), dim=1)[:, 1]
    assert sorted(p.round().tolist()) == [0, 0, 0, 1, 1]
    assert torch.minimum(p, 1 - p).max() < 0.05


def test_finishing_leaves_the_plain_network_with_the_most_used_blocks_tuned():
    adapted = made(k=2)
    network = adapted.network
    with torch.no_grad():
        for block in network.blocks:
            for parameter in block.tuned.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        head = network.policy.network.head
        head.weight.zero_()
        head.bias.copy_(torch.tensor([0, -1, 0, 2, 0, -3, 0, 1.0]))  # blocks 1 and 3 of 0..3 lead
    expected = Classifier(build("resnet10", width=8), 5)
    expected.head.load_state_dict(network.network.head.state_dict())
    expected.backbone.stem.load_state_dict(network.network.backbone.stem.state_dict())
    for i, block in enumerate(network.blocks):
        branch = block.tuned if i in (1, 3) else block.frozen
        expected.backbone.layers[i][0].load_state_dict(branch.state_dict())
    adapted.finish(images(), 16)
    view = evaluation_view(images().images, 16)
    with torch.no_grad():
        assert torch.equal(network.eval()(view), expected.eval()(view))
    assert network.policy is None
    assert [*network.network.state_dict()] == [*expected.state_dict()]
    assert [*network.state_dict()] == [f"network.{name}" for name in expected.state_dict()]


def test_figures_say_how_far_the_policy_is_from_k_blocks_for_all():
    adapted = made(k=3)
    adapted.network.record.usage.copy_(torch.tensor([1.0, 0.9, 0.0, 0.3]))
    row = adapted.figures()
    assert row["budget_gap"] == pytest.approx(0.8)
    assert row["undecided"] == pytest.approx(0.3)
    assert "policy_entropy" in row


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"k": -1}, "k should be greater than or equal to 0, found -1"),
        ({"k": 5}, "only 4 blocks"),
        ({"lambda1": -1}, "lambda1"),
        ({"ramp": (0.5, 0.1)}, "ramp"),
        ({"temperature": 0}, "temperature"),
    ],
)
def test_settings_that_mean_nothing_are_errors(wrong, message):
    with pytest.raises(InputError, match=message):
        made(**wrong)
