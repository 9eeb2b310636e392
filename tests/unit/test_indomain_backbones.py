"""The networks of the in-domain table: parameters and features as their papers and released code have them."""

import pytest
import torch

from farfield.backbones import build
from farfield.backbones.backbone import parameter_count
from farfield.backbones.wide_resnet import After

# name, parameters, features from the published image size and from 32 px
NETWORKS = [
    ("conv4", 113_088, (84, 1600), 256),
    ("conv4_plain", 112_832, (84, 1600), 256),
    ("conv4_widening", 464_160, (84, 256 * 25), 1024),
    ("conv4_dynamic", 260_544, (84, 3200), 512),
    ("conv4_relation", 113_088, (84, 64 * 19 * 19), 64 * 36),
    ("r2d2", 2_605_056, (84, 72_576), 8_064),
    ("resnet12", 12_424_320, (84, 16_000), 2_560),
    ("resnet12_even", 7_996_800, (84, 512), 512),
    ("resnet12_tadam", 7_996_800, (84, 512), 512),
    ("resnet12_wide", 3_542_080, (84, 384), 384),
    ("wrn28_10", 36_472_784, (80, 640), 640),
    ("wrn28_10_after", 36_308_240, (80, 640), 640),
]


@pytest.mark.parametrize(("name", "parameters", "published", "small"), NETWORKS)
def test_parameters_and_lengths_of_features(name, parameters, published, small):
    size, length = published
    with torch.device("meta"):
        network = build(name, image_size=size)
        assert parameter_count(network) == parameters
        assert network.feature_dim == length
        images = torch.empty(2, 3, size, size)
        assert network.eval()(images).shape == (2, length)
        assert build(name, image_size=32).feature_dim == small


@pytest.mark.parametrize("name", [name for name, *_ in NETWORKS if name != "conv4"])
def test_narrow_networks_give_what_they_promise(name):
    torch.manual_seed(0)
    network = build(name, width=8, image_size=32).eval()
    features, maps = network.outputs(torch.randn(2, 3, 32, 32))
    assert features.shape == (2, network.feature_dim)
    assert tuple(one.shape[1] for one in maps) == network.stage_dims


def test_the_last_block_of_the_dynamic_network_keeps_what_is_negative():
    torch.manual_seed(0)
    images = torch.randn(4, 3, 32, 32)
    assert build("conv4_dynamic", width=8, image_size=32)(images).min() < 0
    assert build("conv4_plain", width=8, image_size=32)(images).min() >= 0


def test_a_shortcut_without_parameters_appends_zeros():
    block = After(2, 4, 2).eval()
    torch.nn.init.zeros_(block.norm2.weight)
    x = torch.rand(1, 2, 4, 4)
    found = block(x)
    assert torch.equal(found[:, :2], x[:, :, ::2, ::2])
    assert not found[:, 2:].any()
