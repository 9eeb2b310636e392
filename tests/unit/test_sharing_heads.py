"""The head of a task: published size, the sum of its branches, and taps that see only padding."""

import pytest
import torch
from torch.nn import functional as F

from farfield.errors import InputError
from farfield.sharing.heads import AsppHead, DilatedConv2d


@pytest.mark.parametrize(
    ("channels", "count"),
    [(1, 23_080_964), (3, 23_089_164), (17, 23_146_564), (19, 23_154_764), (40, 23_240_864)],
)
def test_parameters_are_the_published_ones(channels, count):
    with torch.device("meta"):
        head = AsppHead(512, channels)
    assert sum(p.numel() for p in head.parameters()) == count == 23_076_864 + 4100 * channels


def test_the_prediction_is_the_sum_of_four_branches():
    torch.manual_seed(0)
    head = AsppHead(6, 5, mid=4).double().eval()
    x = torch.randn(2, 6, 9, 14, dtype=torch.float64)
    expected = torch.zeros(2, 5, 9, 14, dtype=torch.float64)
    weights = dict(head.named_parameters())
    for branch, rate in enumerate((6, 12, 18, 24)):
        w = [weights[f"branches.{branch}.{layer}.weight"] for layer in (0, 3, 6)]
        b = [weights[f"branches.{branch}.{layer}.bias"] for layer in (0, 3, 6)]
        y = F.conv2d(x, w[0], b[0], padding=rate, dilation=rate).relu()
        expected += F.conv2d(F.conv2d(y, w[1], b[1]).relu(), w[2], b[2])
    torch.testing.assert_close(head(x), expected)


@pytest.mark.parametrize("size", [(7, 7), (6, 6), (5, 20), (20, 5), (1, 1), (12, 13)])
@pytest.mark.parametrize("rate", [6, 12])
def test_taps_in_the_padding_change_neither_output_nor_gradient(size, rate):
    torch.manual_seed(0)
    convolution = DilatedConv2d(3, 4, rate).double()
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    expected = F.conv2d(x, convolution.weight, convolution.bias, padding=rate, dilation=rate)
    got = convolution(x)
    torch.testing.assert_close(got, expected)
    inputs = [x, convolution.weight, convolution.bias]
    direction = torch.randn_like(got)
    theirs = torch.autograd.grad(expected, inputs, direction)
    torch.testing.assert_close(torch.autograd.grad(got, inputs, direction), theirs)


def test_dropout_acts_in_training_alone():
    torch.manual_seed(0)
    head, x = AsppHead(6, 1, mid=16), torch.randn(1, 6, 4, 4)
    assert not torch.equal(head(x), head(x))
    head.eval()
    assert torch.equal(head(x), head(x))
    without = AsppHead(6, 1, mid=16, dropout=0.0)
    assert torch.equal(without(x), without(x))


@pytest.mark.parametrize("settings", [{"mid": 0}, {"rates": ()}, {"dropout": 1.0}])
def test_impossible_heads_are_refused(settings):
    with pytest.raises(InputError, match="A head needs"):
        AsppHead(6, 1, **settings)
