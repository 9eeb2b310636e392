"""Backbones: the published parameter counts, shapes and initialisation."""

import math

import pytest
import torch

from farfield.backbones import build
from farfield.backbones.backbone import parameter_count
from farfield.errors import InputError
from farfield.networks.embedding import feature_columns


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("conv4", 113_088), ("resnet10", 4_905_792), ("resnet18", 11_176_512), ("resnet34", 21_284_672)],
)
def test_parameter_counts_are_the_published_ones(name, parameters):
    assert parameter_count(build(name)) == parameters


def test_resnet10_maps_have_the_published_shapes():
    backbone = build("resnet10").eval()
    with torch.inference_mode():
        maps = backbone.stages(torch.zeros(1, 3, 224, 224))
        assert [tuple(m.shape[1:]) for m in maps] == [(64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7)]
        assert backbone(torch.zeros(1, 3, 224, 224)).shape == (1, 512)


def test_conv4_flattens_to_1600_features_at_84_pixels():
    backbone = build("conv4", image_size=84)
    assert backbone(torch.zeros(2, 3, 84, 84)).shape == (2, 1600)
    assert backbone.feature_dim == 1600


def test_features_are_the_pooled_last_stage():
    backbone = build("resnet10", width=8).eval()
    images = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(backbone(images), backbone.stages(images)[-1].mean((2, 3)))


def test_resnet_convolutions_start_with_variance_2_over_fan_out():
    weight = build("resnet10").layers[3][0].conv2.weight
    assert weight.std().item() == pytest.approx(math.sqrt(2 / (9 * 512)), rel=0.01)


def test_columns_name_every_stage_and_the_features():
    assert feature_columns(build("resnet10"))["features"] == (448, 960)
    assert feature_columns(build("resnet10"))["stage2"] == (64, 192)
    assert feature_columns(build("conv4", image_size=84))["features"] == (256, 1856)


def test_an_unknown_backbone_is_an_error_with_the_choices():
    with pytest.raises(InputError, match=r"resnet11.*conv4, conv4_plain.*resnet10"):
        build("resnet11")
