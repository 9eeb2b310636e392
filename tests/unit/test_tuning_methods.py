"""Fine-tuning methods: exactly the parts that a method trains move, and killed trainings continue."""

import copy
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from interrupted import kill_after_two_epochs
from tiny_task import CLASSES, RECIPE, batches, moved, pretrained, snapshot, train
from torch.nn import functional as F

from farfield.errors import InputError
from farfield.tuning.adapted import Adapted
from farfield.tuning.methods.auto_rgn import AutoRGN
from farfield.tuning.methods.feature_extractor import FeatureExtractor
from farfield.tuning.methods.l2_sp import L2SP
from farfield.tuning.methods.last_blocks import LastBlocks
from farfield.tuning.methods.progressive import ProgressiveNet
from farfield.tuning.methods.standard import Standard
from farfield.tuning.methods.stochastic import StochasticBlocks
from farfield.tuning.methods.taps import TAPS
from farfield.tuning.residual import residual_blocks

HEAD = {"head.weight", "head.bias"}
BLOCKS = [f"layer{i}.0" for i in (1, 2, 3, 4)]


def adapt(method, backbone="resnet14") -> Adapted:
    return method(pretrained(backbone), CLASSES)


def moved_by(method) -> tuple[set[str], set[str]]:
    """(entries of the state that training moves, all of them)."""
    adapted = adapt(method)
    before = snapshot(adapted.network)
    train(adapted)
    return moved(before, snapshot(adapted.network)), set(before)


def within(names: set[str], parts: list[str]) -> set[str]:
    return {name for name in names if name.startswith(tuple(f"backbone.{part}." for part in parts))}


def norms(names: set[str]) -> set[str]:
    return {name.rpartition(".")[0] for name in names if name.endswith("running_mean")}


def test_the_feature_extractor_moves_nothing_but_its_head():
    assert moved_by(FeatureExtractor(seed=0))[0] == HEAD


def test_its_norm_may_take_the_statistics_of_the_task_or_be_trained():
    changed, names = moved_by(FeatureExtractor(seed=0, norm="stats"))
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    assert changed == HEAD | {f"{norm}.{part}" for norm in norms(names) for part in statistics}
    changed, _ = moved_by(FeatureExtractor(seed=0, norm="adapt"))
    assert changed == HEAD | {f"{n}.{part}" for n in norms(names) for part in (*statistics, "weight", "bias")}


def test_frozen_features_are_computed_without_a_graph():
    network = adapt(FeatureExtractor(seed=0)).network.train()
    assert not network.backbone(torch.randn(2, 3, 16, 16)).requires_grad


def test_standard_fine_tuning_moves_everything():
    changed, names = moved_by(Standard(seed=0))
    assert changed == names


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_last_blocks_move_and_no_others(count):
    changed, names = moved_by(LastBlocks(seed=0, blocks=count))
    assert changed == HEAD | within(names, BLOCKS[-count:])


def test_a_random_half_of_the_blocks_moves():
    method = StochasticBlocks(seed=3)
    changed, names = moved_by(method)
    chosen = method.drawn(4)
    assert len(chosen) == 2
    assert changed == HEAD | within(names, [BLOCKS[i] for i in chosen])
    assert {tuple(sorted(StochasticBlocks(seed=s).drawn(4))) for s in range(40)} >= {(0, 1), (1, 3), (2, 3)}


@pytest.mark.parametrize("resample", ["epoch", "step"])
def test_blocks_at_rest_stand_still_though_they_have_momentum(resample):
    method = StochasticBlocks(seed=0, resample=resample)
    adapted = adapt(method)
    states = [snapshot(adapted.network)]
    # Taken after every epoch: what `validate` is called for.
    train(
        adapted,
        replace(RECIPE, epochs=6),
        validate=lambda network: states.append(snapshot(network)) or {},
    )
    steps = 2 if resample == "step" else 1
    trained_before, rested_with_momentum = set(), False
    for epoch, (before, after) in enumerate(pairwise(states)):
        keys = [(epoch, step) if resample == "step" else (epoch,) for step in range(steps)]
        chosen = set().union(*(method.drawn(4, *key) for key in keys))
        assert moved(before, after) == HEAD | within(set(before), [BLOCKS[i] for i in chosen])
        rested_with_momentum |= bool(trained_before - chosen)
        trained_before |= chosen
    assert rested_with_momentum


@pytest.mark.parametrize("resample", ["run", "epoch", "step"])
def test_stochastic_training_equals_a_loop_written_out(resample):
    method = StochasticBlocks(seed=0, resample=resample)
    expected = copy.deepcopy(adapt(method, "resnet8").network)
    blocks = list(residual_blocks(expected.backbone).values())
    optimizer = torch.optim.SGD(expected.parameters(), lr=0.05, momentum=0.9, weight_decay=0.01, fused=False)
    for epoch in range(RECIPE.epochs):
        for step, (images, targets) in enumerate(batches(epoch)):
            key = {"run": (), "epoch": (epoch,), "step": (epoch, step)}[resample]
            active = [expected.head, *(blocks[i] for i in method.drawn(3, *key))]
            expected.eval()
            optimizer.zero_grad()
            for part in active:
                part.train()
            wanted = [p.requires_grad_() for part in active for p in part.parameters()]
            loss = F.cross_entropy(expected(images), targets)
            for parameter, gradient in zip(wanted, torch.autograd.grad(loss, wanted), strict=True):
                parameter.grad = gradient
            optimizer.step()
    adapted = adapt(method, "resnet8")
    train(adapted)
    for name, tensor in expected.state_dict().items():
        torch.testing.assert_close(adapted.network.state_dict()[name], tensor, atol=1e-5, rtol=1e-4, msg=name)


METHODS = {
    "feature extractor": FeatureExtractor(seed=0, norm="adapt"),
    "standard": Standard(seed=0),
    "last blocks": LastBlocks(seed=0, blocks=2, norm="stats"),
    "stochastic by run": StochasticBlocks(seed=0),
    "stochastic by epoch": StochasticBlocks(seed=0, resample="epoch"),
    "stochastic by step": StochasticBlocks(seed=0, resample="step"),
    "L2-SP": L2SP(seed=0),
    "progressive": ProgressiveNet(seed=0),
    "Auto-RGN": AutoRGN(seed=0, batches=1),
    "TAPS": TAPS(seed=0, warmup=1),
}


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("name", list(METHODS))
def test_a_resumed_run_equals_one_that_never_stopped(name, optimizer, tmp_path, monkeypatch):
    recipe = replace(RECIPE, epochs=4, optimizer=optimizer, learning_rate=0.01)
    whole = adapt(METHODS[name])
    curve = train(whole, recipe)
    path = tmp_path / "checkpoint.safetensors"
    kill_after_two_epochs(monkeypatch, lambda: train(adapt(METHODS[name]), recipe, checkpoint=path))
    resumed = adapt(METHODS[name])
    assert train(resumed, recipe, checkpoint=path) == curve
    assert not moved(snapshot(whole.network), snapshot(resumed.network))


@pytest.mark.parametrize("name", list(METHODS))
def test_a_method_is_the_same_for_the_same_seed_whatever_was_drawn_before(name):
    first = snapshot(adapt(METHODS[name]).network)
    backbone = pretrained()
    torch.manual_seed(999)
    assert not moved(first, snapshot(METHODS[name](backbone, CLASSES).network))
    other = snapshot(replace(METHODS[name], seed=1)(pretrained(), CLASSES).network)
    assert "head.weight" in moved(first, other)


@pytest.mark.parametrize(
    ("method", "setting", "value"),
    [
        (FeatureExtractor, "norm", "train"),
        (LastBlocks, "blocks", 0),
        (StochasticBlocks, "share", 0.0),
        (StochasticBlocks, "resample", "batch"),
        (L2SP, "alpha", -1.0),
        (L2SP, "scope", "bn"),
        (ProgressiveNet, "column", "random"),
        (ProgressiveNet, "reduction", 0),
        (AutoRGN, "batches", 0),
        (TAPS, "penalty", -0.1),
    ],
)
def test_impossible_settings_are_refused_by_name(method, setting, value):
    with pytest.raises(InputError, match=setting):
        method(seed=0, **{setting: value})


def test_more_blocks_than_the_network_has_are_refused():
    with pytest.raises(
        InputError, match=r"blocks is 5, but a BottleneckResNet .* has only 4 residual blocks"
    ):
        adapt(LastBlocks(seed=0, blocks=5))
