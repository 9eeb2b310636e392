"""Feature-wise transformation: where it stands and what it draws."""

import copy

import pytest
import torch
from torch import nn

from farfield.backbones import build
from farfield.errors import InputError
from farfield.metalearning.fwt import (
    FeatureWiseBatchNorm2d,
    enable_transform,
    feature_wise_transform,
    own_parameters,
    seed_noise,
    transform_parameters,
    transformed_layers,
)

IMAGES = torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def pair(name="resnet10", **settings):
    """A backbone with running statistics of its own, and its transformed twin."""
    torch.manual_seed(0)
    plain = build(name, width=4, image_size=32)
    plain(IMAGES)
    transformed = copy.deepcopy(plain)
    feature_wise_transform(transformed, **settings)
    return plain, transformed


@pytest.mark.parametrize("name", ["resnet10", "resnet18", "conv4"])
def test_in_evaluation_it_is_the_plain_network_to_the_bit(name):
    plain, transformed = pair(name)
    assert torch.equal(transformed.eval()(IMAGES), plain.eval()(IMAGES))
    assert not torch.equal(transformed.train()(IMAGES), plain.train()(IMAGES))


def test_switched_off_it_is_the_plain_network_in_training_too():
    plain, transformed = pair()
    enable_transform(transformed, False)
    assert torch.equal(transformed(IMAGES), plain(IMAGES))
    torch.testing.assert_close(transformed.state_dict(), plain.state_dict(), rtol=0, atol=0)


def test_it_replaces_the_last_norm_of_each_block_and_those_of_shortcuts():
    def places(name):
        network = pair(name)[1]
        return {n for n, m in network.named_modules() if isinstance(m, FeatureWiseBatchNorm2d)}

    assert places("resnet10") == {f"layers.{i}.0.bn2" for i in range(4)} | {
        f"layers.{i}.0.shortcut.1" for i in (1, 2, 3)
    }
    assert len(places("resnet18")) == 11
    assert places("conv4") == {f"blocks.{i}.1" for i in range(4)}


def test_it_takes_over_the_weights_of_what_it_replaces():
    network = build("resnet10", width=4)
    before = list(network.parameters())
    feature_wise_transform(network)
    assert {id(p) for p in network.parameters()} == {id(p) for p in before}


def drawn(layer, draws):
    """Scales and shifts [draws, C] that a layer with w = 1, b = 0 applied to normalised features."""
    x = torch.randn(8, layer.num_features, 2, 2, generator=torch.Generator().manual_seed(1))
    normalised = (x - x.mean((0, 2, 3), keepdim=True)) / (
        x.var((0, 2, 3), keepdim=True, correction=0) + layer.eps
    ).sqrt()
    scales, shifts = [], []
    with torch.no_grad():
        for _ in range(draws):
            out = layer(x)
            shift = out.mean((0, 2, 3))  # normalised features have mean 0 and mean square 1
            scales.append(((out - shift[:, None, None]) * normalised).mean((0, 2, 3)))
            shifts.append(shift)
            # One draw for all images and positions: nothing is left when it is taken out.
            left = out - scales[-1][:, None, None] * normalised - shift[:, None, None]
            assert left.abs().max() < 1e-3
    return torch.stack(scales), torch.stack(shifts)


def test_scales_are_normal_around_1_and_shifts_around_0_with_softplus_theta_as_deviation():
    layer = FeatureWiseBatchNorm2d(nn.BatchNorm2d(64), gamma=0.3, beta=0.005, learned=False)
    scales, shifts = drawn(layer, 500)
    draws = scales.numel()
    sharp_softplus = torch.log1p(torch.exp(torch.tensor(100 * 0.005))).item() / 100  # 0.0097, not 0.005
    for values, mean, deviation in ((scales, 1, 0.3), (shifts, 0, sharp_softplus)):
        assert values.mean().item() == pytest.approx(mean, abs=4 * deviation / draws**0.5)
        assert values.std().item() == pytest.approx(deviation, rel=4 / (2 * draws) ** 0.5)
    # Channels, scale and shift, and successive draws are independent.
    for a, b in ((scales[:, 0], scales[:, 1]), (scales[:, 0], shifts[:, 0]), (scales[1:, 0], scales[:-1, 0])):
        assert abs(torch.corrcoef(torch.stack([a, b]))[0, 1]) < 0.2


def test_the_noise_acts_on_the_output_of_the_affine_norm():
    plain = nn.BatchNorm2d(5)
    nn.init.normal_(plain.weight)
    nn.init.normal_(plain.bias)
    layer = FeatureWiseBatchNorm2d(copy.deepcopy(plain), gamma=0.3, beta=0.5, learned=False)
    layer.generator.manual_seed(3)
    n1, n2 = torch.randn(2, 5, generator=torch.Generator().manual_seed(3))
    x = torch.randn(4, 5, 3, 3)
    expected = (1 + 0.3 * n1)[:, None, None] * plain(x) + (0.5 * n2)[:, None, None]
    torch.testing.assert_close(layer(x), expected)
    torch.testing.assert_close(layer.state_dict(), plain.state_dict())  # running statistics moved alike


def test_noise_is_keyed_by_seed_step_and_layer():
    network = pair()[1]

    def features(*key):
        seed_noise(network, *key)
        return network(IMAGES)

    assert torch.equal(features(1, "step", 4), features(1, "step", 4))
    assert not torch.equal(features(1, "step", 4), features(1, "step", 5))
    assert not torch.equal(features(1, "step", 4), features(2, "step", 4))
    seeds = {layer.generator.initial_seed() for layer in transformed_layers(network)}
    assert len(seeds) == 7


def test_noise_is_not_taken_from_the_global_generator():
    network = pair()[1]
    state = torch.get_rng_state()
    network(IMAGES)
    assert torch.equal(torch.get_rng_state(), state)


def test_constants_are_neither_parameters_nor_state():
    plain, transformed = pair()
    assert transform_parameters(transformed) == {}
    assert transformed.state_dict().keys() == plain.state_dict().keys()
    transformed(IMAGES)
    plain.load_state_dict(transformed.state_dict())
    assert torch.equal(plain.eval()(IMAGES), transformed.eval()(IMAGES))


def test_learned_constants_are_parameters_and_survive_the_state():
    network, other = pair(learned=True)[1], pair(learned=True, gamma=0.1)[1]
    thetas = transform_parameters(network)
    assert len(thetas) == 14
    assert own_parameters(network).keys() | thetas.keys() == dict(network.named_parameters()).keys()
    assert not own_parameters(network).keys() & thetas.keys()
    next(iter(thetas.values())).data += 0.2
    other.load_state_dict(network.state_dict())
    torch.testing.assert_close(transform_parameters(other), thetas)
    for each in (network, other):
        seed_noise(each, 0)
    assert torch.equal(network(IMAGES), other(IMAGES))


def test_impossible_requests_are_errors():
    with pytest.raises(InputError, match=r"gamma .*at least 0, found -1"):
        feature_wise_transform(build("conv4"), gamma=-1)
    network = pair()[1]
    with pytest.raises(InputError, match="already part"):
        feature_wise_transform(network)
    with pytest.raises(InputError, match=r"does not know.*Linear"):
        feature_wise_transform(nn.Linear(2, 2))
