"""Deep adaptation networks: filters of a task as combinations of the source's."""

from typing import get_args

import pytest
import torch
from decathlon_task import CLASSES, changed, pretrained, train
from torch import nn
from torch.nn import functional as F

from farfield.backbones import build
from farfield.errors import InputError
from farfield.tuning.methods.dan import DAN, ControlledConv2d, Init


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


@pytest.mark.parametrize("init", get_args(Init))
def test_dan_trains_from_every_start(init):
    adapted = DAN(seed=0, init=init)(pretrained(), CLASSES)
    before = {name: tensor.clone() for name, tensor in adapted.network.state_dict().items()}
    moved = changed(train(adapted), before)
    controllers = {name for name in before if name.endswith("controller")}
    assert len(controllers) == sum(isinstance(m, nn.Conv2d) for m in adapted.network.modules())
    assert controllers <= moved
    assert not {name.replace("controller", "weight") for name in controllers} & moved


def test_impossible_controllers_are_errors():
    with pytest.raises(InputError, match="'identity' or 'random', found 'zero'"):
        DAN(seed=0, init="zero")
