"""Parameters and MACs: the published numbers, and what a real execution counts."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from farfield.sharing.accounting import (
    backbone_macs,
    cost,
    head_parameters,
    measure,
    parameters,
    piece_macs,
    shared_macs,
    table_macs,
    unused_parameters,
)
from farfield.sharing.deeplab import DeeplabResNet, build_deeplab
from farfield.sharing.execution import hard_features
from farfield.sharing.heads import AsppHead
from farfield.tuning.accounting import macs as macs_by_hooks

# The four policies of AdaShare's released code: backbone, and the blocks that each task skips.
CITY = ("resnet34", [(5, 6, 8, 12), (2, 9)])
NYU_TWO = ("resnet18", [(1,), (5,)])
NYU_THREE = ("resnet34", [(6,), (9, 10, 11), (5, 10, 11)])
TASKONOMY = ("resnet34", [(), (5, 12), (4, 6), (3,), (9, 10, 12)])


def backbone(name: str, width: int = 64) -> DeeplabResNet:
    with torch.device("meta"):
        return build_deeplab(name, width)


def runs(blocks: int, skipped: list[tuple[int, ...]]) -> list[list[bool]]:
    return [[block not in task for block in range(blocks)] for task in skipped]


@pytest.mark.parametrize(
    ("name", "count", "macs"),
    [("resnet18", 11_176_512, 9_856_548_864), ("resnet34", 21_284_672, 18_528_804_864)],
)
def test_backbones_cost_what_is_published(name, count, macs):
    assert parameters(backbone(name)) == count
    assert backbone_macs(backbone(name), 224) == macs


def test_each_piece_of_resnet34_costs_what_is_published():
    pieces = piece_macs(backbone("resnet34"))
    assert pieces.stem == 118_013_952
    assert pieces.blocks == (
        *[239_542_272] * 3,
        *[186_015_744, *[248_020_992] * 3],
        *[744_062_976, *[992_083_968] * 5],
        *[2_976_251_904, *[3_968_335_872] * 2],
    )
    shortcuts = {3: 6_889_472, 7: 27_557_888, 13: 110_231_552}
    assert pieces.shortcuts == tuple(shortcuts.get(block, 0) for block in range(16))


@pytest.mark.parametrize(
    ("policy", "full", "published", "shared"),
    [
        (CITY, 37.06, 33.35, 32.75),
        (NYU_TWO, 19.71, 18.48, 18.12),
        (NYU_THREE, 55.59, 50.13, 47.33),
        (TASKONOMY, 92.64, 87.75, 81.06),
    ],
)
def test_published_policies_cost_what_is_published(policy, full, published, shared):
    network = backbone(policy[0])
    kept = runs(len(network.blocks), policy[1])
    assert round(table_macs(network, runs(len(network.blocks), [()] * len(kept))) / 1e9, 2) == full
    assert round(table_macs(network, kept) / 1e9, 2) == published
    assert round(table_macs(network, torch.tensor(kept)) / 1e9, 2) == published
    assert round(shared_macs(network, kept) / 1e9, 2) == shared
    assert unused_parameters(network, kept) == 0


@pytest.mark.parametrize("channels", [1, 3, 17, 19, 40])
def test_a_head_costs_about_as_much_as_a_backbone(channels):
    with torch.device("meta"):
        head = AsppHead(512, channels)
    assert parameters(head) == head_parameters(head) == 23_076_864 + 4100 * channels
    position = 4 * (9 * 512 * 1024 + 1024 * 1024 + 1024 * channels)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        head(torch.empty(1, 512, 29, 29, device="meta"))
    assert counter.get_total_flops() == 2 * 29 * 29 * position


class Whole(nn.Module):
    def __init__(self, kept: Tensor) -> None:
        super().__init__()
        self.backbone = build_deeplab("resnet18", width=2)
        self.heads = nn.ModuleList(AsppHead(16, task + 1, mid=4) for task in range(len(kept)))
        self.register_buffer("kept", kept)

    def forward(self, images: Tensor) -> list[Tensor]:
        features = hard_features(self.backbone, images, self.kept)
        return [head(x) for head, x in zip(self.heads, features, strict=True)]


@pytest.mark.parametrize("seed", range(5))
def test_shared_macs_are_those_of_a_real_execution(seed):
    torch.manual_seed(seed)
    kept = torch.rand(4, 8) < 0.7
    network = build_deeplab("resnet18", width=2).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        hard_features(network, torch.zeros(1, 3, 40, 56), kept)
    assert counter.get_total_flops() == 2 * shared_macs(network, kept, (40, 56))
    one_by_one = 0
    for task in kept:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            hard_features(network, torch.zeros(1, 3, 40, 56), task[None])
        one_by_one += counter.get_total_flops()
    assert one_by_one == 2 * table_macs(network, kept, (40, 56))
    assert table_macs(network, kept, (40, 56)) == sum(
        backbone_macs(network, (40, 56), task) for task in kept.tolist()
    )


def test_the_cost_of_a_whole_network():
    kept = torch.ones(2, 8, dtype=torch.bool)
    kept[:, 5] = False
    kept[1, 6] = False
    network, unit = Whole(kept), build_deeplab("resnet18", width=2)
    found = cost(network, unit, kept, size=64)
    unused = parameters(unit.blocks[5])
    assert found.parameters == parameters(network) - unused
    assert found.backbone_parameters == pytest.approx(1 - unused / parameters(unit))
    assert found.backbone_macs == table_macs(unit, kept, 64)
    # Maps of 9x9: the branch of rate 6 has nine taps, the other three only the one in the middle.
    heads = sum(81 * ((9 + 3) * 16 * 4 + 4 * (4 * 4 + 4 * channels)) for channels in (1, 2))
    assert found.macs == shared_macs(unit, kept, 64) + heads
    # Without a policy all but the heads is the backbone, as it runs.
    assert cost(network, unit, size=64).backbone_macs == shared_macs(unit, kept, 64)


def test_any_network_is_measured_as_hooks_on_a_real_run_measure_it():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, groups=1), nn.Conv2d(4, 8, 3, stride=2, groups=2), nn.BatchNorm2d(8)
    )
    network += nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 5))
    assert measure(network, (17, 12))[""] == macs_by_hooks(network, (17, 12))


def test_a_network_used_several_times_counts_each():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 3, 1, bias=False)

        def forward(self, images: Tensor) -> Tensor:
            return self.layer(self.layer(images))

    assert measure(Twice(), 4) == {"": 2 * 144, "layer": 2 * 144}


def test_measuring_leaves_the_network_as_it_was():
    network = Whole(torch.rand(3, 8) < 0.5)
    network.heads[1].eval()
    state = copy.deepcopy(network.state_dict())
    modes = [module.training for module in network.modules()]
    measure(network)
    torch.testing.assert_close(network.state_dict(), state, rtol=0, atol=0)
    assert [module.training for module in network.modules()] == modes
    assert not any(module._forward_hooks for module in network.modules())
