"""BatchNorm over groups of tasks, against plain BatchNorm called once for each task."""

import copy

import pytest
import torch
from torch import nn

from farfield.sharing.norms import TaskNorm2d, group_each, momenta, one_group

GROUPINGS = [((0,), (1,), (2,)), ((0, 1, 2),), ((0, 2), (1,)), ((1,), (0, 2)), ((2,), (0,), (1,))]


def made(sets: int = 1) -> TaskNorm2d:
    torch.manual_seed(0)
    norm = TaskNorm2d(4, sets).double()
    with torch.no_grad():
        for tensor in (norm.weight, norm.bias, norm.running_mean):
            tensor.copy_(torch.randn_like(tensor))
        norm.running_var.copy_(torch.rand_like(norm.running_var) + 0.5)
    return norm


def batch(groups: int) -> torch.Tensor:
    parts = [torch.randn(3, 4, 5, 2, dtype=torch.float64) * (1 + g) + g for g in range(groups)]
    return torch.cat(parts).requires_grad_()


def plain(norm: TaskNorm2d, sets: slice | int = slice(None)) -> nn.BatchNorm2d:
    other = nn.BatchNorm2d(4).double().train(norm.training)
    other.load_state_dict(
        {k: v if k == "num_batches_tracked" else v[sets] for k, v in norm.state_dict().items()}
    )
    return other


@pytest.mark.parametrize("groups", GROUPINGS)
def test_shared_statistics_are_those_of_one_task_after_another(groups):
    norm = made()
    other, x = plain(norm), batch(len(groups))
    part_of = {task: part for part, group in enumerate(groups) for task in group}
    outputs = {part_of[task]: other(x.chunk(len(groups))[part_of[task]]) for task in range(3)}
    expected = torch.cat([outputs[part] for part in range(len(groups))])
    got = norm(x, groups)
    torch.testing.assert_close(got, expected, rtol=0, atol=0)
    torch.testing.assert_close(norm.running_mean, other.running_mean)
    torch.testing.assert_close(norm.running_var, other.running_var)
    assert norm.num_batches_tracked == other.num_batches_tracked == 3

    direction = torch.randn_like(expected)
    theirs = torch.autograd.grad(expected, [x, other.weight, other.bias], direction)
    ours = torch.autograd.grad(got, [x, norm.weight, norm.bias], direction)
    torch.testing.assert_close(ours, theirs)


def test_a_shared_group_has_one_momentum_for_all_its_tasks():
    assert momenta(one_group(5), 0.1) == pytest.approx([1 - 0.9**5])
    assert momenta(group_each(3), 0.1) == pytest.approx([0.1] * 3)


def test_evaluation_uses_the_running_statistics_and_leaves_them():
    norm = made().eval()
    before = copy.deepcopy(norm.state_dict())
    x = batch(3)
    torch.testing.assert_close(norm(x, group_each(3)), plain(norm)(x))
    torch.testing.assert_close(norm.state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("groups", [((0,), (1,), (2,)), ((2,), (0,)), ((1,),)])
def test_tasks_with_their_own_sets_are_separate_norms(groups, training):
    norm = made(sets=3).train(training)
    before = copy.deepcopy(norm)
    others = {task: plain(norm, task) for (task,) in groups}
    x = batch(len(groups))
    parts = zip(x.chunk(len(groups)), groups, strict=True)
    expected = torch.cat([others[task](part) for part, (task,) in parts])
    got = norm(x, groups)
    torch.testing.assert_close(got, expected, rtol=0, atol=0)
    direction = torch.randn_like(got)
    expected.backward(direction)
    got.backward(direction)
    for task in range(3):
        source, index = (others[task], ...) if task in others else (before, task)
        torch.testing.assert_close(norm.running_mean[task], source.running_mean[index])
        torch.testing.assert_close(norm.running_var[task], source.running_var[index])
        gradient = others[task].weight.grad if task in others else torch.zeros(4, dtype=torch.float64)
        torch.testing.assert_close(norm.weight.grad[task], gradient)


def test_a_task_with_its_own_set_shares_no_group():
    with pytest.raises(ValueError, match="too many values"):
        made(sets=3)(batch(1), ((0, 1),))


def test_without_groups_and_sets_it_is_plain_batchnorm_under_the_same_names():
    norm = made()
    other, x = plain(norm), batch(1)
    assert list(norm.state_dict()) == list(nn.BatchNorm2d(4).state_dict())
    torch.testing.assert_close(norm(x), other(x), rtol=0, atol=0)
    torch.testing.assert_close(norm.state_dict(), other.state_dict())
