"""ResNet-50, 101 and 26: the published counts, torchvision's outputs, and the blocks they are made of."""

import math
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from farfield.backbones import build
from farfield.backbones.backbone import parameter_count
from farfield.errors import InputError
from farfield.networks.embedding import feature_columns
from farfield.tuning.residual import residual_blocks

BLOCKS = {
    "resnet10": 4,
    "resnet18": 8,
    "resnet8": 3,
    "resnet14": 4,
    "resnet26b": 8,
    "resnet26": 12,
    "resnet50": 16,
    "resnet101": 33,
}


def outline(name):
    """The backbone at its published width without memory for its weights."""
    with torch.device("meta"):
        return build(name)


def disturbed(network):
    """`network` with BatchNorms that do something, in evaluation mode too."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.0)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


# Published counts


@pytest.mark.parametrize(
    ("name", "parameters", "features"),
    [("resnet26", 5_814_688, 256), ("resnet50", 23_508_032, 2048), ("resnet101", 42_500_160, 2048)],
)
def test_parameter_counts_are_the_published_ones(name, parameters, features):
    backbone = outline(name)
    assert parameter_count(backbone) == parameters
    assert backbone.feature_dim == features


def test_resnet26_has_its_parameters_where_the_decathlon_counts_them():
    backbone = outline("resnet26")
    assert [parameter_count(segment) for segment in backbone.layers] == [277_504, 1_107_968, 4_427_776]
    assert parameter_count(backbone.stem) == 864 + 64
    assert parameter_count(backbone.norm) == 512


def test_resnet26_has_the_25_convolutions_and_26_norms_of_its_name():
    kinds = [type(module) for module in outline("resnet26").modules()]
    assert kinds.count(nn.Conv2d) == 25
    assert kinds.count(nn.BatchNorm2d) == 26


# Against torchvision


@pytest.mark.parametrize("name", ["resnet50", "resnet101"])
def test_bottleneck_networks_are_torchvisions(name):
    models = pytest.importorskip("torchvision.models")
    theirs = disturbed(getattr(models, name)(weights=None))
    theirs.fc = nn.Identity()
    ours = outline(name)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict(), assign=True)
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        expected = theirs.eval()(images)
        found = ours.eval()(images)
    assert expected.std() > 0.01
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_bottleneck_networks_train_as_torchvisions_do():
    resnet = pytest.importorskip("torchvision.models.resnet")
    theirs = resnet.ResNet(resnet.Bottleneck, [1, 1, 1, 1])
    theirs.fc = nn.Identity()
    ours = build("resnet14")
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(4, 3, 64, 64)
    for network in (ours, theirs):
        network(images).square().mean().backward()
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-4, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")
    for (name, p), q in zip(ours.named_buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(p, q, msg=lambda m, n=name: f"{n}: {m}")


# ResNet-26 against its definition, written out


def definition(state, images, blocks):
    """ResNet-26 in evaluation mode from its tensors (protocol of arXiv 1705.08045), block by block."""

    def norm(x, name):
        mean, var, scale, shift = (
            state[f"{name}.{part}"].view(1, -1, 1, 1)
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / torch.sqrt(var + 1e-5) * scale + shift

    x = norm(F.conv2d(images, state["stem.0.weight"], padding=1), "stem.1")
    maps = []
    for segment in range(3):
        for block in range(blocks):
            name, first = f"layers.{segment}.{block}", block == 0
            y = F.conv2d(x, state[f"{name}.conv1.weight"], stride=2 if first else 1, padding=1)
            y = norm(y, f"{name}.bn1").clamp(min=0)
            y = norm(F.conv2d(y, state[f"{name}.conv2.weight"], padding=1), f"{name}.bn2")
            if first:
                quarters = [x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)]
                x = sum(quarters) / 4
                x = torch.cat((x, torch.zeros(len(x), y.shape[1] - x.shape[1], *x.shape[2:])), dim=1)
            x = (x + y).clamp(min=0)
        maps.append(x)
    return [*maps[:-1], norm(maps[-1], "norm").clamp(min=0)]


@pytest.mark.parametrize(("name", "blocks"), [("resnet26", 4), ("resnet8", 1)])
def test_resnet26_is_its_definition(name, blocks):
    backbone = disturbed(build(name, width=8)).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        expected = definition(backbone.state_dict(), images, blocks)
        torch.testing.assert_close(backbone.stages(images), expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(backbone(images), expected[-1].mean((2, 3)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [33, 36, 49])
def test_resnet26_takes_images_of_any_size(size):
    maps = build("resnet8", width=4).stages(torch.randn(2, 3, size, size))
    assert [m.shape[-1] for m in maps] == [math.ceil(size / 2**i) for i in (1, 2, 3)]


# The contract of a backbone


@pytest.mark.parametrize("name", ["resnet26", "resnet50"])
def test_stages_have_the_declared_shapes(name):
    backbone = outline(name)
    maps = backbone.stages(torch.zeros(1, 3, 64, 64, device="meta"))
    assert tuple(m.shape[1] for m in maps) == backbone.stage_dims
    sizes = {"resnet26": [32, 16, 8], "resnet50": [16, 8, 4, 2]}
    assert [m.shape[-1] for m in maps] == sizes[name]


@pytest.mark.parametrize("name", ["resnet8", "resnet14"])
def test_features_are_the_mean_of_the_last_stage(name):
    backbone = build(name, width=4).eval()
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(backbone(images), backbone.stages(images)[-1].mean((2, 3)))
    # Embedding relies on it: it writes the last stage once, for both.
    assert (
        feature_columns(backbone)["features"] == feature_columns(backbone)[f"stage{len(backbone.stage_dims)}"]
    )


@pytest.mark.parametrize("name", ["resnet26", "resnet26b"])
def test_widths_scale_with_the_first(name):
    full, narrow = (outline(name), build(name, width=16))
    for (_, p), (_, q) in zip(full.named_parameters(), narrow.named_parameters(), strict=True):
        expected = [n if n == 3 or i > 1 else n // 4 for i, n in enumerate(p.shape)]
        assert list(q.shape) == expected


@pytest.mark.parametrize("name", ["resnet8", "resnet14"])
def test_the_narrowest_network_still_runs(name):
    assert build(name, width=1)(torch.randn(2, 3, 32, 32)).shape == (2, build(name, width=1).feature_dim)


@pytest.mark.parametrize("name", ["resnet8", "resnet14"])
def test_convolutions_start_with_variance_2_over_fan_out(name):
    for module in build(name, width=32).modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 4000:
            expected = math.sqrt(2 / (module.kernel_size[0] ** 2 * module.out_channels))
            assert module.weight.std().item() == pytest.approx(expected, rel=0.1)


# Residual blocks


@pytest.mark.parametrize(("name", "count"), BLOCKS.items())
def test_every_block_is_found_once(name, count):
    assert len(residual_blocks(outline(name))) == count


def test_blocks_are_listed_in_the_order_in_which_they_run():
    backbone, ran = build("resnet26b", width=2), []
    blocks = residual_blocks(backbone)
    for name, block in blocks.items():
        block.register_forward_hook(lambda *_, name=name: ran.append(name))
    backbone(torch.randn(2, 3, 32, 32))
    assert list(blocks) == ran
    assert ran == [f"layer{stage}.{block}" for stage in (1, 2, 3, 4) for block in (0, 1)]


@pytest.mark.parametrize("name", ["resnet26", "resnet14", "resnet18"])
def test_blocks_alone_carry_the_map_from_stem_to_last_stage(name):
    backbone = disturbed(build(name, width=4)).eval()
    blocks = residual_blocks(backbone)
    into = []
    next(iter(blocks.values())).register_forward_pre_hook(lambda _, inputs: into.append(inputs[0].clone()))
    with torch.inference_mode():
        last = backbone.stages(torch.randn(2, 3, 32, 32))[-1]
        through = nn.Sequential(*blocks.values())(into[0])
        if name == "resnet26":
            through = F.relu(backbone.norm(through))
    torch.testing.assert_close(through, last)


@pytest.mark.parametrize("name", ["resnet26", "resnet14"])
def test_a_block_leaves_its_input_as_it_was(name):
    for block in residual_blocks(build(name, width=4)).values():
        x = torch.randn(2, block.conv1.in_channels, 8, 8)
        before = x.clone()
        block(x)
        assert torch.equal(x, before)


def test_a_block_is_replaced_by_its_name():
    backbone = build("resnet26", width=4).eval()
    images = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        before = backbone(images)
        backbone.set_submodule("layers.1.2", nn.Identity())
        assert not torch.allclose(backbone(images), before)
    assert len(residual_blocks(backbone)) == 11


def test_blocks_of_torchvision_are_recognised():
    models = pytest.importorskip("torchvision.models")
    with torch.device("meta"):
        assert list(residual_blocks(models.resnet50())) == list(residual_blocks(outline("resnet50")))
        assert len(residual_blocks(models.resnet18())) == 8


def test_a_network_without_blocks_is_an_error_that_names_it():
    with pytest.raises(InputError, match=r"a Conv4 has no residual blocks.*resnet26"):
        residual_blocks(build("conv4", width=4))


def test_backbones_import_without_torchvision():
    code = (
        "import sys, farfield.networks.weights, farfield.tuning.residual; "
        "sys.exit('torchvision' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
