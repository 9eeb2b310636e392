"""Sparsity and sharing in the code's and the paper's form, against loops and finite differences."""

from functools import partial
from itertools import combinations
from math import exp, log

import pytest
import torch

from farfield.errors import InputError
from farfield.sharing.policy_losses import opened_blocks, sharing, sparsity, temperature

# Two tasks, three blocks; columns: execute, skip.
TABLE = [[[0.5, 0.5], [1.0, -1.0], [0.0, 2.0]], [[0.2, 0.9], [-0.3, 0.4], [1.5, 0.0]]]


def table() -> torch.Tensor:
    return torch.tensor(TABLE, dtype=torch.float64, requires_grad=True)


def executes(task: int, block: int) -> float:
    execute, skip = TABLE[task][block]
    return 1 / (1 + exp(skip - execute))


@pytest.mark.parametrize("opened", [1, 2, 3])
def test_sparsity_as_the_code_has_it(opened):
    blocks = range(3 - opened, 3)
    expected = sum(sum(-log(1 - executes(k, block)) for block in blocks) / opened for k in range(2))
    assert sparsity(table(), opened).item() == pytest.approx(expected)
    weighted = sum(
        sum(-2 * (block + 1) / 3 * log(1 - executes(k, block)) for block in blocks) / opened for k in range(2)
    )
    assert sparsity(table(), opened, weight="increasing").item() == pytest.approx(weighted)


@pytest.mark.parametrize("opened", [1, 2, 3])
def test_sparsity_as_the_paper_has_it(opened):
    expected = sum(log(executes(k, block)) for k in range(2) for block in range(3 - opened, 3))
    assert sparsity(table(), opened, "paper").item() == pytest.approx(expected)


def test_sharing_as_the_code_has_it():
    expected = sum((block + 1) / 3 * abs(TABLE[0][block][0] - TABLE[1][block][0]) for block in range(3))
    for opened in (1, 3):  # closed blocks count too
        assert sharing(table(), opened).item() == pytest.approx(expected)


@pytest.mark.parametrize("opened", [1, 2, 3])
def test_sharing_as_the_paper_has_it(opened):
    difference = [abs(executes(0, block) - executes(1, block)) for block in range(3)]
    expected = 2 * sum((3 - (block + 1)) / 3 * difference[block] for block in range(3 - opened, 3))
    assert sharing(table(), opened, "paper").item() == pytest.approx(expected)


@pytest.mark.parametrize("weight", ["increasing", "decreasing", "flat"])
@pytest.mark.parametrize("on", ["logit", "probability"])
def test_sharing_is_over_all_pairs_with_the_weights_and_scores_asked_for(weight, on):
    logits = torch.randn(4, 5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    scores = logits[..., 0] if on == "logit" else logits.softmax(-1)[..., 0]
    weights = {"increasing": [1, 2, 3, 4, 5], "decreasing": [4, 3, 2, 1, 0], "flat": [5] * 5}[weight]
    expected = sum(
        weights[block] / 5 * abs(scores[i, block] - scores[j, block]).item()
        for i, j in combinations(range(4), 2)
        for block in range(5)
    )
    assert sharing(logits, 5, "code", weight, on).item() == pytest.approx(expected)
    assert sharing(logits, 5, "paper", weight, on).item() == pytest.approx(2 * expected)


LOSSES = {
    f"{name} {form} {choice}": partial(loss, form=form, **choices)
    for name, loss, options in (
        ("sparsity", sparsity, [{}, {"weight": "increasing"}]),
        (
            "sharing",
            sharing,
            [{}, {"sharing_on": "probability"}, {"sharing_weight": "flat"}, {"sharing_on": "logit"}],
        ),
    )
    for form in ("code", "paper")
    for choice, choices in enumerate(options)
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("opened", [1, 3])
def test_gradients_are_those_of_finite_differences(name, opened):
    loss, logits = partial(LOSSES[name], opened=opened), table()
    (gradient,) = torch.autograd.grad(loss(logits), logits)
    step = 1e-6
    for index in range(logits.numel()):
        ahead, behind = logits.detach().clone(), logits.detach().clone()
        ahead.view(-1)[index] += step
        behind.view(-1)[index] -= step
        difference = (loss(ahead) - loss(behind)).item() / (2 * step)
        assert gradient.view(-1)[index].item() == pytest.approx(difference, abs=1e-8)


def test_sparsity_pushes_an_open_block_by_its_probability_to_execute():
    logits = table()
    sparsity(logits, 2).backward()
    assert logits.grad[:, 0].eq(0).all()
    expected = [[executes(k, block) / 2 for block in (1, 2)] for k in range(2)]
    torch.testing.assert_close(logits.grad[:, 1:, 0], torch.tensor(expected, dtype=torch.float64))


def test_tasks_that_agree_get_no_gradient_from_sharing():
    logits = torch.full((3, 4, 2), 0.5, requires_grad=True)
    for form in ("code", "paper"):
        value = sharing(logits, 4, form)
        assert value == 0
        assert torch.autograd.grad(value, logits)[0].eq(0).all()


def test_extreme_logits_stay_finite():
    logits = torch.tensor([[[200.0, -200.0]], [[-200.0, 200.0]]], requires_grad=True)
    for form in ("code", "paper"):
        value = sparsity(logits, 1, form) + sharing(logits, 1, form)
        assert value.isfinite()
        assert torch.autograd.grad(value, logits)[0].isfinite().all()


def test_blocks_open_one_after_another_from_the_last():
    assert [opened_blocks(n, 1, 4) for n in range(6)] == [1, 2, 3, 4, 4, 4]
    assert [opened_blocks(n, 3, 3) for n in range(10)] == [1, 1, 1, 2, 2, 2, 3, 3, 3, 3]
    assert [opened_blocks(n, 0, 8) for n in range(2)] == [8, 8]


def test_the_temperature_falls_with_each_alternation():
    assert temperature(0) == 5.0
    assert temperature(2) == pytest.approx(5 * 0.965**2)
    # The published schedules: 333 alternations for NYU v2, 86 for CityScapes, 160 for Taskonomy.
    assert temperature(333) == pytest.approx(3.5e-5, rel=0.02)
    assert temperature(86) == pytest.approx(0.23, abs=0.005)
    assert temperature(160) == pytest.approx(0.017, abs=0.0005)
    assert temperature(333, lowest=0.1) == 0.1


@pytest.mark.parametrize(
    "call",
    [
        partial(sparsity, form="sum"),
        partial(sparsity, weight="rising"),
        partial(sharing, form="hamming"),
        partial(sharing, sharing_weight="rising"),
        partial(sharing, sharing_on="p"),
    ],
)
def test_unknown_forms_are_refused(call):
    with pytest.raises(InputError, match="must be one of"):
        call(table(), 3)
