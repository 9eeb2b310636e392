"""The single-network methods of the decathlon: what all of them promise, and the simplest of them."""

from functools import partial

import pytest
import torch
from decathlon_task import CLASSES, IMAGES, SGD, changed, norms_of, pretrained, train
from interrupted import kill_after_two_epochs
from torch import nn

from farfield.backbones import build
from farfield.errors import InputError
from farfield.networks.adapters import adapter_convolutions
from farfield.training.recipe import Recipe, learning_rate
from farfield.tuning.methods.adapters import Adapters
from farfield.tuning.methods.dan import DAN
from farfield.tuning.methods.lwf import LwF
from farfield.tuning.methods.norm_adaptation import NormAdaptation
from farfield.tuning.methods.piggyback import PiggyBack
from farfield.tuning.methods.scratch import Scratch
from farfield.tuning.reinitialise import reinitialise

SOURCE_HEAD = nn.Linear(32, 7)

METHODS = {
    "norm_adaptation": NormAdaptation,
    "lwf": partial(LwF, warmup_epochs=1, source_head=SOURCE_HEAD),
    "series": partial(Adapters, placement="series"),
    "parallel": partial(Adapters, placement="parallel", dropout=0.5),
    "parallel, all tuned": partial(Adapters, share="finetune", init="zero"),
    "dan": DAN,
    "piggyback": PiggyBack,
    "scratch": Scratch,
    "scratch+": partial(Scratch, adapters=True),
}
every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())


def parameters_in(groups):
    return {id(p) for group in groups for p in group["params"]}


# All of them


@every_method
def test_the_seed_alone_decides_where_training_starts(method):
    a, b, other = (method(seed=seed)(pretrained(), CLASSES).network for seed in (5, 5, 6))
    torch.testing.assert_close(a.state_dict(), b.state_dict(), rtol=0, atol=0)
    assert not torch.equal(a.head.weight, other.head.weight)
    assert a.eval()(IMAGES).shape == (6, CLASSES)


@every_method
def test_what_is_trained_is_in_one_group_and_what_is_not_stays_bit_identical(method):
    adapted = method(seed=5)(pretrained(), CLASSES)
    listed = [p for group in adapted.groups for p in group["params"]]
    trained = {n for n, p in adapted.network.named_parameters() if p.requires_grad}
    names = {id(p): n for n, p in adapted.network.named_parameters()}
    assert sorted(names[id(p)] for p in listed) == sorted(trained)
    parameters = {n: p.detach().clone() for n, p in adapted.network.named_parameters()}
    assert changed(train(adapted), parameters) == trained


@every_method
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_resumed_run_equals_one_that_never_stopped(method, optimizer, tmp_path, monkeypatch):
    recipe = Recipe(epochs=3, batch_size=6, optimizer=optimizer, augmentation=SGD.augmentation)

    def run(checkpoint=None):
        return train(method(seed=5)(pretrained(), CLASSES), recipe, checkpoint)

    path = tmp_path / "checkpoint.safetensors"
    kill_after_two_epochs(monkeypatch, lambda: run(path))
    torch.testing.assert_close(run(path).state_dict(), run().state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(
    "method",
    [
        NormAdaptation(seed=0),
        Adapters(seed=0, init="zero", placement="series"),
        Adapters(seed=0, init="zero", placement="parallel"),
        DAN(seed=0),
        PiggyBack(seed=0),
        LwF(seed=0, source_head=SOURCE_HEAD),
    ],
    ids=lambda method: type(method).__name__,
)
@pytest.mark.parametrize("name", ["resnet8", "resnet10", "resnet14"])
def test_methods_that_start_from_the_source_network_start_at_its_function(method, name):
    expected = pretrained(name)(IMAGES)
    if isinstance(method, LwF):
        method = method.with_source_head(nn.Linear(expected.shape[1], 7))
    network = method(pretrained(name), CLASSES).network.eval()
    torch.testing.assert_close(network.backbone(IMAGES), expected)


# BatchNorm adaptation


def test_norm_adaptation_trains_batch_norm_and_head_and_moves_the_statistics():
    adapted = NormAdaptation(seed=0)(pretrained(), CLASSES)
    network = adapted.network
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    norms = norms_of(network)
    assert {n for n, p in network.named_parameters() if p.requires_grad} == norms | {
        "head.weight",
        "head.bias",
    }
    statistics = {n for n in before if n.rpartition(".")[2].startswith(("running", "num_batches"))}
    assert changed(train(adapted), before) == norms | {"head.weight", "head.bias"} | statistics


# From scratch


def test_nothing_of_the_pretrained_network_is_left():
    trained_long, fresh = pretrained(), build("resnet8", width=8)
    a, b = (Scratch(seed=5)(backbone, CLASSES).network for backbone in (trained_long, fresh))
    torch.testing.assert_close(a.state_dict(), b.state_dict(), rtol=0, atol=0)
    assert all(p.requires_grad for p in a.parameters())


@pytest.mark.parametrize("name", ["resnet10", "resnet8", "resnet14"])
def test_it_starts_as_its_architecture_is_initialised(name):
    network = pretrained(name)
    reinitialise(network, seed=0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            kernel = module.kernel_size[0] * module.kernel_size[1]
            expected = (2 / (kernel * module.out_channels)) ** 0.5
            assert module.weight.std().item() == pytest.approx(expected, rel=0.3)
        elif isinstance(module, nn.BatchNorm2d):
            assert module.weight.unique().tolist() == module.running_var.unique().tolist() == [1]
            assert module.bias.unique().tolist() == module.running_mean.unique().tolist() == [0]
            assert module.num_batches_tracked == 0


def test_scratch_plus_has_series_adapters_and_trains_them():
    adapted = Scratch(seed=0, adapters=True)(pretrained(), CLASSES)
    convolutions = adapter_convolutions(adapted.network)
    assert len(convolutions) == 7
    assert {id(conv.adapter.weight) for conv in convolutions} <= parameters_in(adapted.groups)


def test_an_unknown_layer_is_not_left_at_its_pretrained_weights():
    with pytest.raises(InputError, match="'1' of the backbone is a LayerNorm"):
        reinitialise(nn.Sequential(nn.Conv2d(3, 3, 1), nn.LayerNorm(4)), seed=0)


# The schedule


def test_the_learning_rate_drops_at_40_60_and_80_or_in_the_released_code_at_40_alone():
    """That code tests the epochs in a chain of which only the last branch counts."""
    published = Recipe(epochs=110, learning_rate=0.1, schedule="step", milestones=(40, 60, 80))
    released = Recipe(epochs=110, learning_rate=0.1, schedule="step", milestones=(40,))
    epochs = (0, 39, 40, 59, 60, 79, 80, 109)
    assert [learning_rate(published, e) for e in epochs] == pytest.approx(
        [0.1, 0.1, 0.01, 0.01, 1e-3, 1e-3, 1e-4, 1e-4]
    )
    assert [learning_rate(released, e) for e in epochs] == pytest.approx([0.1, 0.1] + [0.01] * 6)
