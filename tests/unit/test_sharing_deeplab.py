"""The Deeplab-ResNet of AdaShare: its published size, its map sides, and its plain forward pass."""

import pytest
import torch
from torch.nn import functional as F

from farfield.errors import InputError
from farfield.sharing.deeplab import DEPTHS, DeeplabResNet, build_deeplab


@pytest.mark.parametrize(
    ("name", "blocks", "count"), [("resnet18", 8, 11_176_512), ("resnet34", 16, 21_284_672)]
)
def test_parameters_are_the_published_ones(name, blocks, count):
    with torch.device("meta"):
        backbone = build_deeplab(name)
    assert sum(p.numel() for p in backbone.parameters()) == count
    assert len(backbone.blocks) == len(backbone.shortcuts) == blocks
    assert backbone.channels == (64, 128, 256, 512)
    assert backbone.features == 512


def test_blocks_are_numbered_by_stage():
    assert build_deeplab("resnet34", width=1).stages == (
        range(0, 3),
        range(3, 7),
        range(7, 13),
        range(13, 16),
    )


@pytest.mark.parametrize(
    ("image", "side"),
    [
        ((224, 224), (29, 29)),
        ((256, 256), (33, 33)),
        ((321, 321), (41, 41)),
        ((256, 512), (33, 65)),
        ((480, 640), (61, 81)),
    ],
)
def test_sides_of_the_features(image, side):
    with torch.device("meta"):
        features = build_deeplab("small", width=1)(torch.empty(2, 3, *image))
    assert features.shape == (2, 8, *side)


def test_a_task_network_without_task_norms_differs_only_in_norms():
    with torch.device("meta"):
        shared, own = build_deeplab("resnet34"), build_deeplab("resnet34", norm_sets=5)
    extra = sum(p.numel() for p in own.parameters()) - sum(p.numel() for p in shared.parameters())
    assert extra == 4 * 2 * 8512


def test_weights_start_as_published():
    torch.manual_seed(0)
    backbone = build_deeplab("resnet18", width=16)
    for name, parameter in backbone.named_parameters():
        if parameter.ndim == 4:
            assert parameter.std().item() == pytest.approx(0.01, rel=0.1), name
        else:
            assert parameter.eq(1.0 if name.endswith("weight") else 0.0).all(), name


def reference_deeplab(backbone: DeeplabResNet, images: torch.Tensor) -> torch.Tensor:
    """From the table of layers and the named weights alone, with statistics of the batch."""
    weights = dict(backbone.named_parameters())

    def norm(x, name):
        mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
        scale, shift = (weights[f"{name}.{part}"].view(1, -1, 1, 1) for part in ("weight", "bias"))
        return (x - mean) / (variance + 1e-5).sqrt() * scale + shift

    x = F.conv2d(images, weights["stem.convolution.weight"], stride=2, padding=3)
    x = F.max_pool2d(norm(x, "stem.norm").relu(), 3, 2, 1, ceil_mode=True)
    layers = [(1, 1)] * 3 + [(2, 1)] + [(1, 1)] * 3 + [(1, 2)] * 6 + [(1, 4)] * 3
    for block, (stride, dilation) in enumerate(layers):
        y = F.conv2d(x, weights[f"blocks.{block}.conv1.weight"], None, stride, dilation, dilation)
        y = norm(y, f"blocks.{block}.norm1").relu()
        y = F.conv2d(y, weights[f"blocks.{block}.conv2.weight"], None, 1, dilation, dilation)
        if block in (3, 7, 13):
            x = norm(
                F.conv2d(x, weights[f"shortcuts.{block}.convolution.weight"], None, stride),
                f"shortcuts.{block}.norm",
            )
        x = (x + norm(y, f"blocks.{block}.norm2")).relu()
    return x


def test_the_forward_pass_is_that_of_the_table_of_layers():
    torch.manual_seed(0)
    backbone = build_deeplab("resnet34", width=2).double()
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    images = torch.randn(2, 3, 37, 52, dtype=torch.float64)
    torch.testing.assert_close(backbone(images), reference_deeplab(backbone, images))


def test_with_own_norms_the_plain_forward_is_of_the_first_task():
    torch.manual_seed(0)
    own = build_deeplab("small", width=2, norm_sets=3)
    torch.manual_seed(0)
    plain = build_deeplab("small", width=2)
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(own(images), plain(images), rtol=0, atol=0)


@pytest.mark.parametrize(
    "settings", [{"depths": (1, 1, 1)}, {"depths": (1, 0, 1, 1)}, {"width": 0}, {"norm_sets": 0}]
)
def test_impossible_shapes_are_refused(settings):
    with pytest.raises(InputError):
        DeeplabResNet(**settings)


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match=", ".join(DEPTHS)):
        build_deeplab("resnet50")
