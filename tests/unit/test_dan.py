"""Deep adaptation networks: filters of a task as combinations of the source's."""

import numpy as np
import pytest
import torch
from decathlon_task import CLASSES, pretrained
from torch import nn
from torch.nn import functional as F

from farfield.backbones import build
from farfield.errors import InputError
from farfield.tuning.methods.dan import DAN, ControlledConv2d, least_squares


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def test_controlled_filters_are_linear_combinations_of_the_filters_of_the_source():
    plain = nn.Conv2d(4, 6, 3, stride=2, padding=1)
    conv = ControlledConv2d(plain)
    nn.init.normal_(conv.controller)
    x = torch.randn(2, 4, 8, 8)
    filters = torch.einsum("ab,bijk->aijk", conv.controller, plain.weight)
    expected = F.conv2d(x, filters, plain.bias, stride=2, padding=1)
    torch.testing.assert_close(conv(x), expected)
    # The same as a 1x1 convolution behind the plain one: a series adapter without BatchNorm.
    behind = torch.einsum("ab,nbhw->nahw", conv.controller, F.conv2d(x, plain.weight, stride=2, padding=1))
    torch.testing.assert_close(conv(x), behind + plain.bias.view(1, 6, 1, 1))


def test_a_controller_stands_at_every_convolution():
    network = DAN(seed=0)(pretrained("resnet14"), CLASSES).network
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 17
    assert all(isinstance(m, ControlledConv2d) for m in convolutions)


def test_random_controllers_keep_the_scale_of_filters():
    network = DAN(seed=0, init="random")(build("resnet8", width=64), CLASSES).network
    for conv in network.modules():
        if isinstance(conv, ControlledConv2d):
            filters = (conv.controller @ conv.weight.flatten(1)).std()
            assert filters.item() == pytest.approx(conv.weight.std().item(), rel=0.35)


def test_least_squares_finds_the_combination_that_a_fine_tuned_network_is_nearest_to():
    weight, target = torch.randn(2, 6, 4, 3, 3)
    mixed = torch.einsum("ab,bijk->aijk", torch.randn(6, 6), weight)
    torch.testing.assert_close(
        torch.einsum("ab,bijk->aijk", least_squares(weight, mixed), weight), mixed, rtol=1e-4, atol=1e-4
    )
    expected = np.linalg.lstsq(weight.flatten(1).numpy().T, target.flatten(1).numpy().T, rcond=None)[0].T
    np.testing.assert_allclose(least_squares(weight, target).numpy(), expected, atol=1e-4)


def test_dan_can_start_at_a_fine_tuned_network():
    finetuned = pretrained()
    for parameter in finetuned.parameters():  # rows recombined, as DAN itself could have learnt
        if parameter.ndim == 4:
            parameter.data = parameter.flip(0)
    method = DAN(seed=0, init="least_squares")
    assert method.needs_finetuned
    network = method.with_finetuned(finetuned)(pretrained(), CLASSES).network.eval()
    for name, conv in network.backbone.named_modules():
        if isinstance(conv, ControlledConv2d):
            filters = (conv.controller @ conv.weight.flatten(1)).view_as(conv.weight)
            torch.testing.assert_close(filters, finetuned.get_submodule(name).weight, rtol=0, atol=1e-4)


def test_impossible_controllers_are_errors():
    with pytest.raises(InputError, match="identity, random, least_squares, found 'zero'"):
        DAN(seed=0, init="zero")
    with pytest.raises(InputError, match="none was given"):
        DAN(seed=0, init="least_squares")(pretrained(), CLASSES)
    other = build("resnet8", width=4)
    with pytest.raises(InputError, match=r"no 'stem.0.weight' of shape \(4, 3, 3, 3\)"):
        DAN(seed=0, init="least_squares", finetuned=other)(pretrained(), CLASSES)
