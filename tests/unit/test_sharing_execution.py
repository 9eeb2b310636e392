"""Tasks through one backbone at once, against one plain forward pass for each task."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from farfield.sharing.deeplab import DeeplabResNet
from farfield.sharing.execution import hard_features, soft_features
from farfield.sharing.policy import Policy

TASKS, BLOCKS, IMAGES = 3, 6, 2


def made(norm_sets: int = 1, seed: int = 0) -> DeeplabResNet:
    """A backbone far from where it starts, in float64, so that only a real difference is one."""
    torch.manual_seed(seed)
    backbone = DeeplabResNet((2, 1, 2, 1), width=2, norm_sets=norm_sets).double()
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        for name, buffer in backbone.named_buffers():
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 2)
            elif name.endswith("running_mean"):
                buffer.normal_()
    return backbone


def images() -> Tensor:
    return torch.randn(IMAGES, 3, 35, 28, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def random_mix(opened: int) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    mix = torch.randn(TASKS, BLOCKS, 2, dtype=torch.float64, generator=generator).softmax(-1)
    mix[:, : BLOCKS - opened] = torch.tensor([1.0, 0.0], dtype=torch.float64)
    return mix.requires_grad_()


def random_runs(seed: int, share: float = 0.6, tasks: int = TASKS) -> Tensor:
    return torch.rand(tasks, BLOCKS, generator=torch.Generator().manual_seed(seed)) < share


RUNS = {
    "all": torch.ones(TASKS, BLOCKS, dtype=torch.bool),
    "none": torch.zeros(TASKS, BLOCKS, dtype=torch.bool),
    "one task differs at last": torch.tensor([[1] * 6, [1] * 5 + [0], [1] * 6]).bool(),
    "the first and last task are one": torch.tensor(
        [[1, 0, 1, 1, 0, 1], [0, 1, 1, 0, 1, 1], [1, 0, 1, 1, 0, 1]]
    ).bool(),
    "a block that nobody runs": torch.tensor(
        [[1, 1, 0, 1, 1, 0], [1, 0, 0, 1, 1, 0], [1, 1, 0, 0, 1, 0]]
    ).bool(),
    **{f"random {seed}": random_runs(seed) for seed in range(4)},
}


def reference_soft_features(backbone: DeeplabResNet, x: Tensor, mix: Tensor) -> list[Tensor]:
    """As the released code does it: each task on its own, every block computed, and skipped by a zero."""
    return [_one(backbone, x, mix[task], task, lambda _: True) for task in range(len(mix))]


def reference_hard_features(backbone: DeeplabResNet, x: Tensor, runs: Tensor) -> list[Tensor]:
    """Each task on its own; blocks that it skips do not run, and leave no trace in the statistics."""
    mix = torch.stack([runs, ~runs], -1).to(x)
    return [
        _one(backbone, x, mix[task], task, lambda block, t=task: runs[t, block]) for task in range(len(runs))
    ]


def _one(
    backbone: DeeplabResNet, x: Tensor, mix: Tensor, task: int, computes: Callable[[int], bool]
) -> Tensor:
    groups = ((task,),)
    x = backbone.stem(x, groups)
    for block in range(BLOCKS):
        r = backbone.shortcuts[block](x, groups)
        x = (
            mix[block, 0] * F.relu(r + backbone.blocks[block](x, groups)) + mix[block, 1] * r
            if computes(block)
            else r
        )
    return x


def check_same(ours: DeeplabResNet, theirs: DeeplabResNet, got: list[Tensor], expected: list[Tensor]) -> None:
    """Outputs, gradients of a loss over all tasks, and what is left in the buffers."""
    torch.testing.assert_close(got, expected)
    directions = [torch.randn_like(x) for x in expected]
    for backbone, outputs in ((ours, got), (theirs, expected)):
        sum((x * d).sum() for x, d in zip(outputs, directions, strict=True)).backward()
        for parameter in backbone.parameters():  # of a block that nobody runs: none, or zero
            parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
    for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, msg=lambda text, name=name: f"{name}: {text}")
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())


@pytest.mark.parametrize("norm_sets", [1, TASKS])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("opened", range(BLOCKS + 1))
def test_mixed_blocks_equal_separate_forwards(opened, training, norm_sets):
    ours = made(norm_sets).train(training)
    theirs, mixes = copy.deepcopy(ours), (random_mix(opened), random_mix(opened))
    got = soft_features(ours, images(), mixes[0], opened)
    expected = reference_soft_features(theirs, images(), mixes[1])
    check_same(ours, theirs, got, expected)
    if opened:
        # The shares sum to 1: what counts is how the loss changes as one grows and the other falls.
        gradients = [mix.grad[:, BLOCKS - opened :] for mix in mixes]
        differences = [gradient[..., 0] - gradient[..., 1] for gradient in gradients]
        torch.testing.assert_close(*differences)
        assert differences[0].ne(0).all()


def test_logits_get_the_gradient_of_separate_forwards():
    backbone, policy = made(), Policy(TASKS, BLOCKS).double()
    noise = policy.noise(0)
    gradients = []
    for forward in (
        lambda x, mix: soft_features(backbone, x, mix, 4),
        lambda x, mix: reference_soft_features(backbone, x, mix),
    ):
        outputs = forward(images(), policy.mix(0.8, 4, noise))
        gradients.append(torch.autograd.grad(sum(x.square().sum() for x in outputs), policy.logits)[0])
    torch.testing.assert_close(*gradients)
    assert gradients[0][:, 2:].ne(0).all()


@pytest.mark.parametrize("norm_sets", [1, TASKS])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", RUNS)
def test_hard_policies_equal_separate_forwards_that_skip(name, training, norm_sets):
    ours, runs = made(norm_sets).train(training), RUNS[name]
    theirs = copy.deepcopy(ours)
    check_same(
        ours, theirs, hard_features(ours, images(), runs), reference_hard_features(theirs, images(), runs)
    )


@pytest.mark.parametrize("norm_sets", [1, TASKS])
@pytest.mark.parametrize("name", RUNS)
def test_in_training_skipping_differs_from_a_zero_in_the_statistics_of_skipped_blocks_alone(name, norm_sets):
    ours, runs = made(norm_sets), RUNS[name]
    theirs = copy.deepcopy(ours)
    got = hard_features(ours, images(), runs)
    torch.testing.assert_close(
        got, reference_soft_features(theirs, images(), torch.stack([runs, ~runs], -1).double())
    )
    for block in range(BLOCKS):
        states = [backbone.blocks[block].norm2.running_mean for backbone in (ours, theirs)]
        assert torch.allclose(*states) == bool(runs[:, block].all())


@pytest.mark.parametrize("norm_sets", [1, TASKS])
@pytest.mark.parametrize("name", RUNS)
def test_skipped_blocks_can_take_part_in_the_statistics_as_in_the_released_code(name, norm_sets):
    ours, runs = made(norm_sets), RUNS[name]
    theirs = copy.deepcopy(ours)
    got = hard_features(ours, images(), runs, update_skipped=True)
    check_same(
        ours, theirs, got, reference_soft_features(theirs, images(), torch.stack([runs, ~runs], -1).double())
    )


@pytest.mark.parametrize("name", RUNS)
def test_in_evaluation_skip_by_zero_is_a_true_skip(name):
    backbone, runs = made().eval(), RUNS[name]
    mix = torch.stack([runs, ~runs], -1).double()
    expected = reference_soft_features(backbone, images(), mix)
    torch.testing.assert_close(soft_features(backbone, images(), mix, BLOCKS), expected)
    torch.testing.assert_close(hard_features(backbone, images(), runs), expected)


def test_in_float32_a_share_of_zero_or_one_is_exact():
    backbone, runs = made().float().eval(), RUNS["random 0"][:1]
    mix = torch.stack([runs, ~runs], -1).float()
    x = images().float()
    got = soft_features(backbone, x, mix, BLOCKS)
    torch.testing.assert_close(got, hard_features(backbone, x, runs), rtol=0, atol=0)


def test_a_closed_curriculum_is_the_plain_network():
    backbone = made()
    other = copy.deepcopy(backbone)
    got = soft_features(backbone, images(), random_mix(0), 0)
    plain = other(images())
    for features in [*got, *hard_features(copy.deepcopy(other), images(), RUNS["all"])]:
        torch.testing.assert_close(features, plain, rtol=0, atol=0)
    once, thrice = other.stem.norm, backbone.stem.norm
    assert once.num_batches_tracked == 1
    assert thrice.num_batches_tracked == 3


def seen(backbone: DeeplabResNet) -> dict[int, int]:
    """How many maps each block's function gets; filled in as the backbone runs."""
    found: dict[int, int] = {}
    for block, function in enumerate(backbone.blocks):
        function.register_forward_pre_hook(
            lambda _, inputs, block=block: found.update({block: len(inputs[0])})
        )
    return found


def test_a_common_beginning_is_computed_once_up_to_the_first_open_block():
    backbone = made()
    maps = seen(backbone)
    soft_features(backbone, images(), random_mix(2), 2)
    assert [maps[block] // IMAGES for block in range(BLOCKS)] == [1, 1, 1, 1, 1, 3]


def test_only_what_differs_runs_more_than_once_and_what_nobody_runs_does_not():
    backbone = made()
    maps = seen(backbone)
    hard_features(backbone, images(), RUNS["a block that nobody runs"])
    assert {block: count // IMAGES for block, count in maps.items()} == {0: 1, 1: 1, 3: 2, 4: 3}


def test_tasks_of_the_same_policy_share_their_features():
    first, second, third = hard_features(made(), images(), RUNS["the first and last task are one"])
    assert first is third
    assert second is not first


def test_frozen_weights_leave_no_graph_before_the_first_open_block():
    backbone = made().requires_grad_(False)
    outputs: dict[int, Tensor] = {}
    for block, function in enumerate(backbone.blocks):
        function.register_forward_hook(lambda *args, block=block: outputs.update({block: args[2]}))
    soft_features(backbone, images(), random_mix(3), 3)
    assert [outputs[block].requires_grad for block in range(BLOCKS)] == [False] * 4 + [True] * 2


def test_one_task_alone_and_five_at_once():
    for tasks in (1, 5):
        ours, runs = made(seed=tasks), random_runs(7, tasks=tasks)
        theirs = copy.deepcopy(ours)
        check_same(
            ours, theirs, hard_features(ours, images(), runs), reference_hard_features(theirs, images(), runs)
        )


def test_a_backbone_of_other_tasks_is_refused():
    with pytest.raises(ValueError, match="a backbone of 2 tasks cannot run 3"):
        hard_features(made(norm_sets=2), images(), RUNS["all"])


@pytest.mark.parametrize("norm_sets", [1, TASKS])
def test_in_bfloat16_and_channels_last_both_run_as_in_float32(norm_sets):
    backbone = made(norm_sets).float().eval().to(memory_format=torch.channels_last)
    x = images().float().to(memory_format=torch.channels_last)
    mix, runs = random_mix(4).detach().float().requires_grad_(), RUNS["random 1"]
    expected = [*soft_features(backbone, x, mix, 4), *hard_features(backbone, x, runs)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = [*soft_features(backbone, x, mix, 4), *hard_features(backbone, x, runs)]
    for one, other in zip(got, expected, strict=True):
        assert one.dtype == torch.bfloat16
        assert one.is_contiguous(memory_format=torch.channels_last)
        assert (one - other).norm() < 0.05 * other.norm()
    sum(features.float().sum() for features in got).backward()
    assert mix.grad.dtype == torch.float32
    assert mix.grad.isfinite().all()
