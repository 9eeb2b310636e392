"""Residual adapters: their equations, what they share and train, and how they fold away."""

import copy

import pytest
import torch
from decathlon_task import CLASSES, IMAGES, SGD, changed, pretrained, train
from torch import nn
from torch.nn import functional as F

from farfield.backbones import build
from farfield.errors import InputError
from farfield.networks.adapters import (
    ParallelAdapterConv2d,
    SeriesAdapterConv2d,
    adapter_convolutions,
    fold_parallel,
    with_adapters,
)
from farfield.training.optimizers import make_optimizer
from farfield.tuning.methods.adapters import Adapters


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def random_convolution(stride):
    torch.manual_seed(2)
    return nn.Conv2d(4, 6, 3, stride, padding=1, bias=False).double()


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("training", [True, False])
def test_a_series_adapter_follows_its_equation(stride, training):
    """y + A BN(y) of y = conv(x)."""
    conv = random_convolution(stride)
    adapted = SeriesAdapterConv2d(conv).double().train(training)
    norm = adapted.adapter_norm
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    x = torch.randn(5, 4, 8, 8, dtype=torch.float64)
    y = F.conv2d(x, conv.weight, stride=stride, padding=1)
    mean, variance = norm.running_mean, norm.running_var
    if training:
        mean, variance = y.mean((0, 2, 3)), y.var((0, 2, 3), correction=0)
    shape = (1, 6, 1, 1)
    normalised = (y - mean.view(shape)) / (variance.view(shape) + norm.eps).sqrt()
    normalised = normalised * norm.weight.view(shape) + norm.bias.view(shape)
    expected = y + torch.einsum("oc,nchw->nohw", adapted.adapter.weight[:, :, 0, 0], normalised)
    torch.testing.assert_close(adapted(x), expected)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_parallel_adapter_follows_its_equation(stride):
    """conv(x) + A x, with A at the positions where the stride puts the centre of the kernel."""
    conv = random_convolution(stride)
    adapted = ParallelAdapterConv2d(conv).double()
    x = torch.randn(5, 4, 8, 8, dtype=torch.float64)
    linear = torch.einsum("oc,nchw->nohw", adapted.adapter.weight[:, :, 0, 0], x[..., ::stride, ::stride])
    torch.testing.assert_close(adapted(x), F.conv2d(x, conv.weight, stride=stride, padding=1) + linear)


def test_parallel_adapters_of_narrow_networks_are_trained_on_large_maps():
    """As a strided 1x1 convolution this one ends the process on the CPU (channels last, torch 2.13)."""
    torch.manual_seed(3)
    conv = ParallelAdapterConv2d(nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False))
    x = torch.randn(4, 8, 64, 64)
    conv.to(memory_format=torch.channels_last)
    conv(x.to(memory_format=torch.channels_last)).square().sum().backward()
    y = conv(x).detach()
    expected = 2 * torch.einsum("nohw,nchw->oc", y, x[..., ::2, ::2])
    torch.testing.assert_close(conv.adapter.weight.grad[:, :, 0, 0], expected, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("name", ["resnet8", "resnet10", "resnet14"])
@pytest.mark.parametrize("placement", ["series", "parallel"])
def test_every_3x3_convolution_and_no_other_gets_an_adapter(name, placement):
    plain = pretrained(name)
    expected = {n for n, m in plain.named_modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)}
    adapted = with_adapters(pretrained(name), placement, seed=0)
    kinds = (SeriesAdapterConv2d, ParallelAdapterConv2d)
    assert {n for n, m in adapted.named_modules() if isinstance(m, kinds)} == expected
    # The weights of the plain network keep their names.
    assert plain.state_dict().keys() <= adapted.state_dict().keys()


def test_he_adapters_have_the_published_deviation():
    network = with_adapters(build("resnet8", width=64), "parallel", "he", seed=0)
    for conv in adapter_convolutions(network):
        weight = conv.adapter.weight
        error = 4 / (2 * weight.numel()) ** 0.5
        assert weight.std().item() == pytest.approx((2 / conv.out_channels) ** 0.5, rel=error)


def test_adapters_of_the_pretraining_start_anew_and_their_batch_norm_stays():
    source = pretrained(adapters="series")
    adapted = Adapters(seed=9, placement="series")(copy.deepcopy(source), CLASSES).network.backbone
    assert len(adapter_convolutions(adapted)) == len(adapter_convolutions(source)) == 7
    weights = {f"{n}.adapter.weight" for n, m in source.named_modules() if isinstance(m, SeriesAdapterConv2d)}
    assert changed(adapted, source.state_dict()) == weights


def test_adapters_of_the_pretraining_can_stay():
    source = pretrained(adapters="series")
    method = Adapters(seed=9, placement="series", init="pretrained")
    network = method(copy.deepcopy(source), CLASSES).network.eval()
    torch.testing.assert_close(network.backbone(IMAGES), source(IMAGES), rtol=0, atol=0)
    before = {n: p.detach().clone() for n, p in network.named_parameters()}
    moved = changed(train(method(copy.deepcopy(source), CLASSES)), before)
    assert {n for n in before if n.endswith("adapter.weight")} <= moved


def test_shared_convolutions_stay_unless_they_are_fine_tuned_too():
    def trained(share):
        network = Adapters(seed=0, share=share)(pretrained(), CLASSES).network
        return {n for n, p in network.named_parameters() if p.requires_grad}

    plain = {f"backbone.{n}" for n, p in pretrained().named_parameters() if p.ndim == 4}
    assert len(plain) == 7
    assert trained("finetune") - trained("frozen") == plain


def test_adapters_convolutions_and_the_rest_have_weight_decays_of_their_own():
    method = Adapters(seed=0, share="finetune", adapter_decay=2e-3, conv_decay=1e-4, rest_decay=5e-4)
    adapted = method(pretrained(), CLASSES)
    decay = {
        id(p): g["weight_decay"]
        for g in make_optimizer(SGD, adapted.groups).param_groups
        for p in g["params"]
    }
    for name, parameter in adapted.network.named_parameters():
        expected = 2e-3 if ".adapter." in name else 1e-4 if parameter.ndim == 4 else 5e-4
        assert decay[id(parameter)] == expected, name


def test_by_default_all_have_the_weight_decay_of_the_recipe_as_in_the_released_code():
    groups = Adapters(seed=0)(pretrained(), CLASSES).groups
    assert {g["weight_decay"] for g in make_optimizer(SGD, groups).param_groups} == {SGD.weight_decay}


def test_dropout_takes_whole_channels_from_the_input_of_an_adapter_in_training_alone():
    conv = random_convolution(1)
    network = with_adapters(nn.Sequential(conv), "parallel", seed=0, dropout=0.5).double()
    x = torch.ones(200, 4, 4, 4, dtype=torch.float64)
    nn.init.eye_(network[0].adapter.weight.data.view(6, 4))  # the adapter shows its input
    shared = F.conv2d(x, conv.weight, padding=1)
    torch.testing.assert_close(network.eval()(x), shared + F.pad(x, (0, 0, 0, 0, 0, 2)))
    added = network.train()(x) - shared
    kept = added[:, :4].mean((2, 3))
    assert kept.allclose(added[:, :4].amax((2, 3)))  # the same at all positions
    assert kept.round().unique().tolist() == [0, 2]  # left out or doubled
    assert kept.mean().item() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("name", ["resnet8", "resnet14"])
@pytest.mark.parametrize("training", [True, False])
def test_folded_parallel_adapters_are_the_same_network(name, training):
    network = Adapters(seed=0)(pretrained(name), CLASSES).network.double().train(training)
    kept = {n: t.clone() for n, t in network.state_dict().items()}
    folded = fold_parallel(network)
    assert adapter_convolutions(folded) == []
    assert folded.state_dict().keys() == {n for n in kept if ".adapter." not in n}
    assert changed(network, kept) == set()  # what is folded is a copy
    assert adapter_convolutions(network)
    images = IMAGES.double()
    torch.testing.assert_close(folded(images), network(images), rtol=1e-10, atol=1e-10)


def test_only_what_fits_can_be_adapted():
    with pytest.raises(InputError, match=r"placement .*'series' or 'parallel', found 'before'"):
        Adapters(seed=0, placement="before")
    with pytest.raises(InputError, match="'he', 'zero' or 'pretrained', found 'xavier'"):
        Adapters(seed=0, init="xavier")
    with pytest.raises(InputError, match=r"dropout .* found 1"):
        Adapters(seed=0, dropout=1.0)
    with pytest.raises(InputError, match="'frozen' or 'finetune', found 'all'"):
        Adapters(seed=0, share="all")
    with pytest.raises(InputError, match="greater than or equal to 0, found -1"):
        Adapters(seed=0, rest_decay=-1)
    with pytest.raises(InputError, match="has none"):
        Adapters(seed=0, init="pretrained")(pretrained(), CLASSES)
    with pytest.raises(InputError, match=r"with other adapters .*Series.*parallel"):
        Adapters(seed=0)(pretrained(adapters="series"), CLASSES)
    with pytest.raises(InputError, match="no 3x3 convolution"):
        with_adapters(nn.Sequential(nn.Conv2d(3, 3, 1)), "series", seed=0)
