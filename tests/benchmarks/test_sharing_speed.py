"""What tasks have in common is computed once, and what no task needs is not computed."""

import time
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from farfield.sharing.accounting import measure, piece_macs, shared_macs, table_macs
from farfield.sharing.deeplab import build_deeplab
from farfield.sharing.execution import hard_features
from farfield.sharing.methods.adashare import AdaShare
from farfield.sharing.methods.network import NetworkSettings
from farfield.sharing.policy import Policy

CHANNELS = {"segmentation": 8, "normals": 3, "depth": 1, "keypoints": 1, "edges": 1}


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def pixels(count: int, size: int) -> Tensor:
    images = torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))
    return images.contiguous(memory_format=torch.channels_last)


def turns(ours, theirs, rounds: int) -> tuple[float, float]:
    """Seconds of this thread in the fastest run of each. The two take turns."""
    times: dict = {ours: [], theirs: []}
    for function in (ours, theirs) * rounds:
        start = time.thread_time()
        function()
        times[function].append(time.thread_time() - start)
    return min(times[ours]), min(times[theirs])


@dataclass
class _Search:
    """A network in search, its images, and its two optimizers."""

    tasks: int
    width: int
    size: int
    head_mid: int
    batch: int = 8
    network: AdaShare = field(init=False)

    def __post_init__(self) -> None:
        channels = dict(list(CHANNELS.items())[: self.tasks])
        settings = NetworkSettings("resnet18", self.width, self.head_mid)
        self.network = AdaShare(channels, settings).to(memory_format=torch.channels_last).train()
        self.policy = Policy(self.tasks, 8)
        self.images = pixels(self.batch, self.size)
        self.weights = torch.optim.SGD(self.network.parameters(), lr=1e-4, momentum=0.9, fused=True)
        self.logits = torch.optim.Adam([self.policy.logits], lr=0.01)

    def reference_mixed(self, mix: Tensor, opened: int) -> dict[str, Tensor]:
        """A forward pass for each task, as in the released code; closed blocks are (1, 0)."""
        del opened
        (backbone,) = self.network.trunks
        predictions = {}
        for task, shares in zip(self.network.tasks, mix, strict=True):
            x = backbone.stem(self.images)
            for block, share in enumerate(shares):
                skipped = backbone.shortcuts[block](x)
                x = share[0] * F.relu(skipped + backbone.blocks[block](x)) + share[1] * skipped
            predictions[task] = self.network.heads[task](x)
        return predictions

    def step(self, forward, opened: int, on_weights: bool) -> None:
        self.network.requires_grad_(on_weights)
        optimizer = self.weights if on_weights else self.logits
        mix = self.policy.mix(1.0, opened, self.policy.noise(0, opened))
        predictions = forward(mix.detach() if on_weights else mix, opened)
        optimizer.zero_grad(set_to_none=True)
        sum(maps.square().mean() for maps in predictions.values()).backward()
        optimizer.step()

    def shared(self, mix: Tensor, opened: int) -> dict[str, Tensor]:
        return self.network.mixed(self.images, mix, opened)


def work_ratio(search: _Search) -> float:
    """MACs of the plain step over ours, heads and all, averaged over the curriculum: what the arithmetic
    alone gives. The first open block is still computed once."""
    backbone, tasks = build_deeplab("resnet18", search.width), search.tasks
    found = piece_macs(backbone, search.size)
    heads = measure(search.network, search.size)[""] - measure(backbone, search.size)[""]
    parts = [f + s for f, s in zip(found.blocks, found.shortcuts, strict=True)]
    plain = tasks * (found.stem + sum(parts)) + heads
    ours = [
        found.stem + sum(parts[: 9 - opened]) + tasks * sum(parts[9 - opened :]) + heads
        for opened in range(1, 9)
    ]
    return 8 * plain / sum(ours)


@pytest.mark.parametrize(
    ("tasks", "width", "size", "head_mid", "least"),
    [
        (2, 8, 48, 32, 1.1),
        (3, 8, 48, 32, 1.3),
        (5, 8, 48, 32, 1.3),
        (3, 32, 64, 128, 1.1),
        (5, 32, 64, 128, 1.1),
    ],
)
def test_a_search_step_over_the_curriculum(benchmark, tasks, width, size, head_mid, least):
    """One forward pass a task, against a common beginning and then all tasks in one batch. Four steps on
    the weights for one on the policy, at each number of open blocks from 1 to 8."""
    search = _Search(tasks, width, size, head_mid)
    own, reference = [], []
    for opened in range(1, 9):
        for on_weights, weight in ((True, 4), (False, 1)):
            ours, theirs = turns(
                lambda opened=opened, on=on_weights: search.step(search.shared, opened, on),
                lambda opened=opened, on=on_weights: search.step(search.reference_mixed, opened, on),
                rounds=8 if width == 8 else 2,
            )
            own.append(weight * ours)
            reference.append(weight * theirs)
    times = sum(reference) / sum(own)
    by_opened = [round(sum(reference[i : i + 2]) / sum(own[i : i + 2]), 2) for i in range(0, 16, 2)]
    print(
        f"\n{tasks} tasks, width {width}, {size} px: {sum(own) / 40 * 1e3:.1f} ms a step against "
        f"{sum(reference) / 40 * 1e3:.1f}, {times:.2f} times ({work_ratio(search):.2f} by MACs); with 1 to 8 "
        f"blocks open {by_opened}"
    )
    benchmark.extra_info |= {"times_faster": round(times, 2), "by_opened": by_opened}
    benchmark.pedantic(lambda: search.step(search.shared, 4, True))
    assert times >= least


POLICIES = {
    "one task, 2 of 8 skipped": ["11011101"],
    "one task, 4 of 8 skipped": ["10101010"],
    "one task, 6 of 8 skipped": ["10000010"],
    "three tasks, much in common": ["11111011", "11111101", "11110111"],
    "three tasks, little in common": ["01110101", "10111011", "11010110"],
}


@pytest.mark.parametrize("name", POLICIES)
@torch.inference_mode()
def test_inference_costs_what_the_policy_runs(benchmark, name):
    """ResNet-18 of width 32 in evaluation, 16 images of 96 px, against every block for every task, the
    skipped ones times zero: the time is the MACs' share, to a tenth."""
    runs = torch.tensor([[int(bit) for bit in row] for row in POLICIES[name]], dtype=torch.bool)
    torch.manual_seed(0)
    backbone = build_deeplab("resnet18", 32).to(memory_format=torch.channels_last).eval()
    images = pixels(16, 96)

    def skipping():
        return hard_features(backbone, images, runs)

    def by_zero():
        features = []
        for row in runs.float():
            x = backbone.stem(images)
            for block, run in enumerate(row):
                skipped = backbone.shortcuts[block](x)
                x = run * F.relu(skipped + backbone.blocks[block](x)) + (1 - run) * skipped
            features.append(x)
        return features

    for ours, theirs in zip(skipping(), by_zero(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5 * float(theirs.abs().max()))
    own, reference = turns(skipping, by_zero, rounds=8)
    share = own / reference
    macs = shared_macs(backbone, runs, 96) / table_macs(backbone, torch.ones_like(runs), 96)
    print(
        f"\n{name}: {own * 1e3:.1f} ms of {reference * 1e3:.1f}, {share:.3f} of the time, {macs:.3f} of the MACs"
    )
    benchmark.extra_info |= {"share_of_time": round(share, 3), "share_of_macs": round(macs, 3)}
    benchmark.pedantic(skipping)
    assert share <= 1.1 * macs
