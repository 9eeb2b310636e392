"""The search for a policy: weights and logits in turn, block after block."""

import itertools
from dataclasses import replace

import pytest
import torch
from dense_task import CPU, NETWORK, assert_same, channels, snapshot, study, weighed_loss
from interrupted import kill_after
from torch.nn import functional as F

from farfield.errors import InputError
from farfield.sharing.batches import Batches
from farfield.sharing.dense import DenseImages
from farfield.sharing.methods.adashare import AdaShare
from farfield.sharing.objective import Objective
from farfield.sharing.policy import Policy
from farfield.sharing.policy_losses import sharing, sparsity
from farfield.sharing.recipe import DenseAugmentation, SearchRecipe
from farfield.sharing.schedule import schedule
from farfield.sharing.search import search
from farfield.sharing.splitting import split
from farfield.training import steps

TASKS = ("segmentation", "normals", "depth")
BLOCKS = 4
RECIPE = SearchRecipe(
    iterations=20,
    batch_size=4,
    weight_steps=3,
    policy_steps=2,
    curriculum_speed=1,
    augmentation=DenseAugmentation(crop=24),
)


def made():
    data, objective = study(*TASKS)
    return AdaShare(channels(objective), NETWORK), Policy(len(TASKS), BLOCKS), data, objective


def searched(network, policy, data, objective, recipe=RECIPE, **further):
    return search(network, policy, data, objective, recipe, seed=3, device=CPU, **further)


@pytest.fixture(scope="module")
def whole():
    """Network, policy and history of a search that never stopped."""
    network, policy, data, objective = made()
    history = searched(network, policy, data, objective)
    return network, policy, history


def states_of_each_step(monkeypatch, tmp_path, recipe=RECIPE) -> list[dict[str, torch.Tensor]]:
    """Parameters of network and policy before the first step and after each."""
    network, policy, data, objective = made()

    def parameters():
        named = itertools.chain(network.named_parameters(), policy.named_parameters())
        return {name: parameter.detach().clone() for name, parameter in named}

    states = [parameters()]
    monkeypatch.setattr(steps, "save_state", lambda *arguments: states.append(parameters()))
    searched(network, policy, data, objective, recipe, checkpoint=tmp_path / "unwritten", checkpoint_every=1)
    return states


def test_weights_and_logits_take_turns(monkeypatch, tmp_path):
    states = states_of_each_step(monkeypatch, tmp_path)
    assert len(states) == 21
    for step, (before, after) in enumerate(itertools.pairwise(states)):
        changed = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
        if step % 5 < 3:
            assert changed
            assert "logits" not in changed
        else:
            assert changed == {"logits"}


def test_blocks_open_from_the_output_on_and_only_open_ones_learn(monkeypatch, tmp_path):
    recipe = replace(RECIPE, sparsity=0.0, sharing=0.0)
    logits = [state["logits"] for state in states_of_each_step(monkeypatch, tmp_path, recipe)]
    for alternation in range(4):
        moved = logits[5 * alternation] != logits[5 * alternation + 5]
        closed = BLOCKS - 1 - alternation
        assert not moved[:, :closed].any()
        assert moved[:, closed:].all()


def test_every_open_block_gets_gradient_from_the_tasks_and_no_closed_one():
    network, policy, data, objective = made()
    searched(network, policy, data, objective, replace(RECIPE, iterations=10, policy_weight_decay=0.0))
    assert (policy.logits.grad[:, :2] == 0).all()  # two of four are open in the second alternation
    assert (policy.logits.grad[:, 2:] != 0).all()


@pytest.mark.parametrize(
    ("speed", "opened"),
    [(1, [1, 2, 3, 4, 4, 4]), (2, [1, 1, 2, 2, 3, 3]), (3, [1, 1, 1, 2, 2, 2]), (0, [4] * 6)],
)
def test_the_schedule_of_a_search(speed, opened):
    recipe = replace(
        RECIPE, iterations=32, curriculum_speed=speed, temperature_decay=0.5, temperature_lowest=0.4
    )
    plan = schedule(recipe, 100, 100, BLOCKS)
    assert len(plan) == 30  # of 32 iterations, whole alternations
    moments = [plan[step] for step in range(30)]
    assert [m.opened for m in moments if m.last] == opened
    assert [m.temperature for m in moments if m.last] == [5, 2.5, 1.25, 0.625, 0.4, 0.4]
    assert [m.on_weights for m in moments[:6]] == [True, True, True, False, False, True]
    assert [m.turn for m in moments if m.on_weights] == list(range(18))
    assert [m.turn for m in moments if not m.on_weights] == list(range(12))


def test_a_pass_has_the_full_batches_of_its_part():
    # NYU v2: 795 images, of which 636 are for the weights, in batches of 16.
    plan = schedule(SearchRecipe(), 636, 159, 16)
    assert (plan.weight_steps, plan.policy_steps) == (39, 9)
    assert len(plan) == 333 * 48
    assert plan[len(plan) - 1].temperature == pytest.approx(5 * 0.965**332)
    with pytest.raises(InputError, match="39 steps on the weights and 9 on the policy"):
        schedule(SearchRecipe(iterations=47), 636, 159, 16)


@pytest.mark.parametrize("stop", [2, 7, 9])  # in the middle of the weights' turn, at its end, in the policy's
def test_a_resumed_search_ends_with_the_bytes_of_one_that_never_stopped(tmp_path, monkeypatch, stop, whole):
    network, policy, expected = whole
    checkpoint = tmp_path / "state.safetensors"

    kill_after(stop, monkeypatch, lambda: searched(*made(), checkpoint=checkpoint, checkpoint_every=1))
    resumed, found, data, objective = made()
    assert searched(resumed, found, data, objective, checkpoint=checkpoint) == expected
    assert_same(snapshot(resumed), snapshot(network))
    assert_same(snapshot(found), snapshot(policy))


@pytest.mark.parametrize("hard", [False, True])
def test_a_search_is_that_of_a_loop_written_out(hard):
    recipe = SearchRecipe(
        iterations=8,
        batch_size=4,
        weight_steps=2,
        policy_steps=2,
        curriculum_speed=0,
        sparsity=0.1,
        sharing=0.2,
        sharing_form="code",
        sparsity_form="code",
        policy_weight_decay=0.3,
        hard=hard,
    )
    data, objective = study(*TASKS)
    objective = Objective(objective.tasks, {"segmentation": 1.0, "normals": 20.0, "depth": 3.0})
    settings = replace(NETWORK, dropout=0.0)
    network, policy = AdaShare(channels(objective), settings), Policy(3, BLOCKS)
    history = searched(network, policy, data, objective, recipe)

    plain, own = AdaShare(channels(objective), settings), Policy(3, BLOCKS)
    plain.to(memory_format=torch.channels_last)
    backbone = plain.trunks[0]
    weights = torch.optim.SGD(plain.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)
    logits = torch.optim.Adam([own.logits], lr=0.01, weight_decay=0.3)
    batches = [
        Batches(p, 4, None, 3, key) for p, key in zip(split(data, 0.8, 3), ("weights", "policy"), strict=True)
    ]
    for step in range(8):
        turn, on_policy = step // 4 * 2 + step % 2, step % 4 > 1
        images, targets = batches[on_policy].batch(turn, CPU)
        mix = own.mix(5 * 0.965 ** (step // 4), BLOCKS, own.noise(3, "search", step), hard)
        predictions = {}
        for k, name in enumerate(objective.tasks):
            x = backbone.stem(images)
            for block in range(BLOCKS):
                skipped = backbone.shortcuts[block](x)
                executed = F.relu(skipped + backbone.blocks[block](x))
                x = mix[k, block, 0] * executed + mix[k, block, 1] * skipped
            predictions[name] = plain.heads[name](x)
        value = 0.1 * sparsity(own.logits, BLOCKS, "code") + 0.2 * sharing(own.logits, BLOCKS, "code")
        value = value + weighed_loss(objective, predictions, targets)
        weights.zero_grad()
        logits.zero_grad()
        value.backward()
        (logits if on_policy else weights).step()
    torch.testing.assert_close(policy.logits, own.logits, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(torch.tensor(history[-1]["select"]), own.select.detach(), rtol=1e-3, atol=1e-4)
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter, plain.get_parameter(name), rtol=1e-3, atol=1e-4)


def test_dropout_is_keyed_by_the_step(whole):
    again, found, data, objective = made()
    torch.manual_seed(99)
    searched(again, found, data, objective)
    assert_same(snapshot(whole[0]), snapshot(again))


def test_history_has_a_row_an_alternation(whole):
    _, policy, history = whole
    assert [row["alternation"] for row in history] == [1, 2, 3, 4]
    assert [row["opened"] for row in history] == [1, 2, 3, 4]
    assert all(row["logit_gradient"] > 0 for row in history)
    assert {"loss_depth", "policy_loss_depth", "sparsity", "sharing"} <= history[0].keys()
    torch.testing.assert_close(torch.tensor(history[-1]["select"]), policy.select.detach())


def test_a_loss_that_is_not_finite_stops_before_weights_and_logits():
    network, policy, data, objective = made()
    targets = dict(data.targets)
    targets["depth"] = torch.full_like(targets["depth"], 3e38)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    with pytest.raises(InputError, match="depth inf"):
        searched(network, policy, DenseImages(data.images, targets, data.rows), objective)
    assert_same({name: p.detach() for name, p in network.named_parameters()}, before)
    assert (policy.logits == 0.5).all()
