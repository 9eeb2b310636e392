"""What methods cost, counted from their modules, against the published counts of the decathlon."""

import copy

import pytest
import torch
from torch import nn

from farfield.backbones import build
from farfield.backbones.backbone import parameter_count
from farfield.networks.adapters import fold_parallel, with_adapters
from farfield.tuning.accounting import cost, macs
from farfield.tuning.adapted import classifier, freeze
from farfield.tuning.methods.adapters import Adapters
from farfield.tuning.methods.dan import DAN
from farfield.tuning.methods.feature_extractor import FeatureExtractor
from farfield.tuning.methods.lwf import LwF
from farfield.tuning.methods.norm_adaptation import NormAdaptation
from farfield.tuning.methods.piggyback import PiggyBack
from farfield.tuning.methods.scratch import Scratch
from farfield.tuning.methods.spottune import SpotTune
from farfield.tuning.methods.standard import Standard
from farfield.tuning.routing import Routed

RESNET26 = 5_814_688  # parameters without a head
NORMS = 7_744  # of them scales and shifts of BatchNorm
CONVOLUTIONS = RESNET26 - NORMS
SEGMENTS = (277_504, 1_107_968, 4_427_776)
POLICY = 1_170_616
PARALLEL = 645_216  # 1x1 convolutions beside all 25 of ResNet-26
SERIES = 689_152  # behind them


@pytest.fixture(scope="module")
def resnet26():
    return build("resnet26")


@pytest.fixture(scope="module")
def with_series_adapters():
    return with_adapters(build("resnet26"), "series", seed=0)


def cost_of(method, source):
    return cost(method(copy.deepcopy(source), 5).network, source)


def test_resnet26_has_the_published_parts(resnet26):
    assert parameter_count(resnet26) == RESNET26
    assert tuple(parameter_count(segment) for segment in resnet26.layers) == SEGMENTS
    norms = sum(parameter_count(m) for m in resnet26.modules() if isinstance(m, nn.BatchNorm2d))
    assert norms == NORMS


@pytest.mark.parametrize(
    ("method", "task", "published"),
    [
        (FeatureExtractor(seed=0), 0, 1),
        (Standard(seed=0), RESNET26, 10),
        (LwF(seed=0, source_head=nn.Linear(256, 9)), RESNET26, 10),
        (Scratch(seed=0), RESNET26, 10),
        (Scratch(seed=0, adapters=True), RESNET26 + SERIES + NORMS - 512, 11),
        (NormAdaptation(seed=0), NORMS, 1),
        (Adapters(seed=0), PARALLEL + NORMS, 2),
        (Adapters(seed=0, share="finetune"), PARALLEL + RESNET26, None),
        (DAN(seed=0), SERIES + NORMS, 2),
        (PiggyBack(seed=0), CONVOLUTIONS / 32, 1.28),
        (PiggyBack(seed=0, ternary=True), CONVOLUTIONS / 16, None),
    ],
    ids=lambda value: type(value).__name__ if callable(value) else "",
)
def test_a_method_costs_what_is_published(method, task, published, resnet26):
    """Nine tasks beside the source; the table rounds to whole networks, PiggyBack's row to two digits."""
    found = cost_of(method, resnet26)
    assert found.task == task
    assert found.policy == 0
    assert found.total_ratio == pytest.approx(1 + 9 * task / RESNET26)
    if published is not None:
        assert round(found.total_ratio, 2 if published == 1.28 else 0) == published


def test_series_adapters_of_the_pretraining_are_the_adapters_of_its_own_task(with_series_adapters):
    """Ten sets of adapters and BatchNorm around one set of shared convolutions."""
    found = cost_of(Adapters(seed=0, placement="series"), with_series_adapters)
    own = SERIES + 2 * NORMS - 512  # no adapter stands before the last of 26 BatchNorms
    assert found.task == own
    assert found.shared == CONVOLUTIONS
    assert found.unit == RESNET26
    assert found.source == CONVOLUTIONS + own
    assert found.total_ratio == pytest.approx((CONVOLUTIONS + 10 * own) / RESNET26)
    assert round(found.total_ratio) == 2


@pytest.mark.parametrize(
    ("routed", "blocks", "ratio"), [("last8", SEGMENTS[1:], 11.38), ("all", SEGMENTS, 11.81)]
)
def test_spottune_keeps_tuned_blocks_and_a_policy(resnet26, routed, blocks, ratio):
    """The ratios of the paper's text leave the stem and BatchNorm of frozen blocks shared."""
    method = SpotTune(seed=0, routed=routed, frozen_norm="eval", stem="frozen")
    found = cost_of(method, resnet26)
    policy = POLICY if routed == "all" else POLICY - 2 * 4 * 257  # outputs for four blocks fewer
    assert found.policy == policy
    assert found.task == sum(blocks) + 512  # the final BatchNorm, which is trained
    assert found.total_ratio == pytest.approx(ratio, abs=0.006)


def test_shared_parameters_are_frozen_and_equal_to_the_source(resnet26):
    found = cost_of(FeatureExtractor(seed=0), resnet26)
    assert (found.shared, found.task, found.source) == (RESNET26, 0, RESNET26)
    found = cost_of(NormAdaptation(seed=0), resnet26)
    assert (found.shared, found.task) == (CONVOLUTIONS, NORMS)


def test_what_was_trained_before_it_was_frozen_is_the_tasks_own():
    source = build("resnet8", width=8)
    network = classifier(copy.deepcopy(source), 5, seed=0)
    freeze(network)
    assert cost(network, source).task == 0
    changed = network.backbone.layers[1][0].conv1.weight
    changed.data[0, 0, 0, 0] += 1e-3
    assert cost(network, source).task == changed.numel()


def test_running_statistics_that_move_are_reported_and_not_counted():
    source = build("resnet8", width=8)
    channels = sum(m.num_features for m in source.modules() if isinstance(m, nn.BatchNorm2d))
    moving, fixed, affine = (
        cost_of(FeatureExtractor(seed=0, norm=norm), source) for norm in ("stats", "eval", "adapt")
    )
    assert (moving.statistics, fixed.statistics, affine.statistics) == (2 * channels, 0, 2 * channels)
    assert (moving.total_ratio, fixed.total_ratio) == (1, 1)
    assert affine.task == 2 * channels


def test_the_ratio_grows_with_the_tasks():
    source = build("resnet8", width=8)
    network = Standard(seed=0)(copy.deepcopy(source), 5).network
    assert [cost(network, source, tasks).total_ratio for tasks in (0, 1, 5, 9)] == [1, 2, 6, 10]


# Multiply-accumulates


@pytest.mark.parametrize(("size", "giga"), [(64, 0.853), (72, 1.079), ((72, 144), 2.16)])
def test_resnet26_takes_the_published_operations(size, giga, resnet26):
    assert macs(resnet26, size) / 1e9 == pytest.approx(giga, abs=0.003)


def test_operations_of_single_layers():
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),  # 4 x 4 positions
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 8, 5, padding=2, groups=4),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 10),
    )
    assert macs(network, 8) == 16 * (8 * 27 + 8 * 25 * 2) + 80


def test_adapters_masks_and_controllers():
    """Of one 3x3 convolution from 3 to 8 channels on 8 x 8 positions."""
    plain = 64 * 8 * 3 * 9

    def operations(method):
        network = method(build("resnet8", width=16), 5).network
        network.backbone.layers = nn.ModuleList()  # what is left is the stem
        return macs(network.backbone.stem, 8)

    assert operations(Standard(seed=0)) == plain
    assert operations(Adapters(seed=0)) == plain + 64 * 8 * 3
    assert operations(Adapters(seed=0, placement="series")) == plain + 64 * 8 * 8
    assert operations(PiggyBack(seed=0)) == operations(DAN(seed=0)) == plain
    adapted = with_adapters(build("resnet8", width=16), "parallel", seed=0)
    assert macs(adapted, 16) > macs(fold_parallel(adapted), 16) == macs(build("resnet8", width=16), 16)


@pytest.mark.parametrize("override", ["all_frozen", "all_tuned"])
def test_a_routed_network_runs_one_branch_and_its_policy(override):
    source = build("resnet8", width=8)
    plain, head = macs(source, 16), 32 * 5
    network = SpotTune(seed=0, routed="all", policy_width=8)(copy.deepcopy(source), 5).network
    assert isinstance(network, Routed)
    network.override = override
    assert macs(network, 16) == plain + head + macs(network.policy, 16)


def test_counting_leaves_the_network_as_it_was():
    network = classifier(build("resnet8", width=8), 5, seed=0).train()
    freeze(network.backbone.stem)
    modes = [module.training for module in network.modules()]
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    macs(network, 16)
    assert [module.training for module in network.modules()] == modes
    torch.testing.assert_close(network.state_dict(), state, rtol=0, atol=0)
    assert not any(module._forward_hooks for module in network.modules())
