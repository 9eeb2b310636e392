"""Learning to Branch: parents by the Gumbel softmax, and the tree of the likeliest ones."""

from dataclasses import replace

import pytest
import torch
from dense_task import CLASSES, CPU, NETWORK, assert_same, channels, snapshot, study, weighed_loss
from interrupted import kill_after
from torch import nn
from torch.nn import functional as F

from farfield.errors import InputError
from farfield.sharing.batches import Batches
from farfield.sharing.dense import DenseImages
from farfield.sharing.methods import build_method
from farfield.sharing.methods.branching import Branching, BranchingNetwork, search_tree
from farfield.sharing.methods.tree import TreeNetwork, cut
from farfield.sharing.objective import Objective
from farfield.sharing.protocol import FIXED
from farfield.sharing.recipe import DenseAugmentation, SearchRecipe
from farfield.sharing.splitting import split
from farfield.sharing.tasks import make_tasks

TASKS = ("segmentation", "normals", "depth")
SEGMENTS = cut([0, 2])
RECIPE = SearchRecipe(
    iterations=15, batch_size=4, weight_steps=3, policy_steps=2, augmentation=DenseAugmentation(crop=24)
)


def made(settings=NETWORK):
    data, objective = study(*TASKS)
    network = BranchingNetwork(channels(objective), settings, SEGMENTS)
    return network, Branching(len(SEGMENTS), len(TASKS)), data, objective


def drawn_logits() -> torch.Tensor:
    return torch.randn(3, 3, 3, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("temperature", [0.3, 5.0])
def test_parents_are_drawn_as_often_as_the_softmax_says(temperature):
    branching, draws = Branching(3, 3), 3000
    branching.logits.data = drawn_logits()
    counts = torch.zeros(3, 3, 3)
    for number in range(draws):
        counts += branching.mix(temperature, branching.noise(5, "draw", number), hard=True).detach()
    expected = drawn_logits().exp() / drawn_logits().exp().sum(-1, keepdim=True)
    deviation = (expected * (1 - expected) / draws).sqrt()
    assert ((counts / draws - expected).abs() < 4.5 * deviation).all()
    torch.testing.assert_close(branching.probabilities, expected)


def test_the_gumbel_softmax_by_its_formula_and_its_hard_form():
    branching = Branching(3, 3)
    branching.logits.data = drawn_logits()
    noise = branching.noise(5, "draw", 0)
    weights = torch.randn(3, 3, 3)
    scores = torch.exp((drawn_logits() + noise) / 0.7)
    soft, hard = (branching.mix(0.7, noise, form) for form in (False, True))
    torch.testing.assert_close(soft, scores / scores.sum(-1, keepdim=True))
    assert set(hard.detach().flatten().tolist()) == {0.0, 1.0}
    assert torch.equal(hard.argmax(-1), soft.argmax(-1))
    (gradient,) = torch.autograd.grad((soft * weights).sum(), branching.logits)
    assert torch.equal(torch.autograd.grad((hard * weights).sum(), branching.logits)[0], gradient)
    with pytest.raises(InputError, match="temperature must be above 0, found 0"):
        branching.mix(0.0, noise)


def test_the_likeliest_tree_is_the_network_of_its_nodes():
    """Of nodes with weights of their own, where each reads its likeliest parent alone."""
    network, branching, _, objective = made(replace(NETWORK, dropout=0.0))
    for number, trunk in enumerate(network.trunks):
        torch.manual_seed(number)
        trunk.apply(lambda one: nn.init.normal_(one.weight, std=0.1) if isinstance(one, nn.Conv2d) else one)
    parents = [[2, 2, 1], [1, 2, 0], [0, 2, 0]]  # node 1 of the last segment is no task's
    branching.logits.data = F.one_hot(torch.tensor(parents), 3).float()
    tree = branching.likeliest()
    assert tree == (((0, 1, 2),), ((0, 2), (1,)), ((0, 2), (1,)))
    built = TreeNetwork(channels(objective), replace(NETWORK, dropout=0.0), tree, SEGMENTS)
    # Which node each task comes from, segment by segment from the last.
    path = [[0, 2, 0]]
    for row in reversed(parents[:-1]):
        path.append([row[node] for node in path[-1]])
    for segment, groups, nodes in zip(SEGMENTS, tree, reversed(path), strict=True):
        for first, *_ in groups:
            target, source = built.trunks[built.backbone_of[first]], network.trunks[nodes[first]]
            if segment.stem:
                target.stem.load_state_dict(source.stem.state_dict())
            for stage in segment.stages:
                for block in source.stages[stage]:
                    target.blocks[block].load_state_dict(source.blocks[block].state_dict())
                    target.shortcuts[block].load_state_dict(source.shortcuts[block].state_dict())
    built.heads.load_state_dict(network.heads.state_dict())
    images = torch.randn(2, 3, 40, 48, generator=torch.Generator().manual_seed(0))
    chosen = F.one_hot(torch.tensor(parents), 3).float()
    assert_same(built.eval()(images), network.eval().mixed(images, chosen))


@pytest.mark.parametrize("norm", ["shared", "per_task"])
def test_all_nodes_start_from_the_warm_up(norm):
    settings = replace(NETWORK, norm=norm, dropout=0.0)
    network, _, _, objective = made(settings)
    warmed = build_method("multi_task", channels(objective), replace(settings, seed=4))
    images = torch.randn(2, 3, 40, 48)
    for _ in range(3):
        warmed(images)  # moves running statistics
    network.start_from(warmed.state_dict())
    evenly = torch.eye(3).repeat(3, 1, 1)
    found, expected = network.eval().mixed(images, evenly), warmed.eval()(images)
    for task in TASKS:
        torch.testing.assert_close(found[task], expected[task])


@pytest.mark.parametrize("hard", [False, True])
def test_a_search_is_that_of_a_loop_written_out(hard):
    recipe = SearchRecipe(
        iterations=8, batch_size=4, weight_steps=2, policy_steps=2, policy_weight_decay=0.3, hard=hard
    )
    settings = replace(NETWORK, dropout=0.0)
    network, branching, data, objective = made(settings)
    objective = Objective(objective.tasks, {"segmentation": 1.0, "normals": 20.0, "depth": 3.0})
    history = search_tree(network, branching, data, objective, recipe, seed=3, device=CPU)

    plain, own, *_ = made(settings)
    plain.to(memory_format=torch.channels_last)
    weights = torch.optim.SGD(plain.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)
    logits = torch.optim.Adam([own.logits], lr=0.01, weight_decay=0.3)
    batches = [
        Batches(part, 4, None, 3, key)
        for part, key in zip(split(data, 0.8, 3), ("weights", "branching"), strict=True)
    ]
    for step in range(8):
        turn, on_logits = step // 4 * 2 + step % 2, step % 4 > 1
        images, targets = batches[on_logits].batch(turn, CPU)
        scores = (own.logits + own.noise(3, "branching", step)) / (5 * 0.965 ** (step // 4))
        shares = scores.softmax(-1)
        if hard:
            shares = F.one_hot(scores.argmax(-1), 3) + shares - shares.detach()
        nodes = [trunk.stem(images) for trunk in plain.trunks]
        for segment, stages in enumerate(([0, 1], [2, 3])):
            inputs = [sum(shares[segment, j, i] * nodes[i] for i in range(3)) for j in range(3)]
            nodes = []
            for trunk, x in zip(plain.trunks, inputs, strict=True):
                for stage in stages:
                    for block in trunk.stages[stage]:
                        x = F.relu(trunk.shortcuts[block](x) + trunk.blocks[block](x))
                nodes.append(x)
        read = [sum(shares[2, k, i] * nodes[i] for i in range(3)) for k in range(3)]
        predictions = {name: plain.heads[name](x) for name, x in zip(objective.tasks, read, strict=True)}
        value = weighed_loss(objective, predictions, targets)
        weights.zero_grad()
        logits.zero_grad()
        value.backward()
        (logits if on_logits else weights).step()
    torch.testing.assert_close(branching.logits, own.logits, rtol=1e-3, atol=1e-4)
    found = torch.tensor(history[-1]["probabilities"])
    torch.testing.assert_close(found, own.probabilities, rtol=1e-3, atol=1e-4)
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter, plain.get_parameter(name), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("stop", [2, 4])  # in the weights' turn, in the logits'
def test_a_resumed_search_ends_with_the_bytes_of_one_that_never_stopped(tmp_path, monkeypatch, stop):
    def searched(network, branching, data, objective, **further):
        return search_tree(network, branching, data, objective, RECIPE, seed=3, device=CPU, **further)

    network, branching, data, objective = made()
    expected = searched(network, branching, data, objective)
    checkpoint = tmp_path / "state.safetensors"
    kill_after(stop, monkeypatch, lambda: searched(*made(), checkpoint=checkpoint, checkpoint_every=1))
    resumed, found, *_ = made()
    assert searched(resumed, found, data, objective, checkpoint=checkpoint) == expected
    assert_same(snapshot(resumed), snapshot(network))
    assert_same(snapshot(found), snapshot(branching))
    assert [row["alternation"] for row in expected] == [1, 2, 3]


class OneColour(nn.Module):
    """A stem that sees one channel of the images."""

    def __init__(self, stem: nn.Module, colour: int) -> None:
        super().__init__()
        self.stem, self.colour = stem, colour

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        seen = torch.zeros_like(images)
        seen[:, self.colour] = images[:, self.colour]
        return self.stem(seen)


@pytest.mark.parametrize(("colour", "first"), [(0, ((0, 1),)), (1, ((0,), (1,)))], ids=["agree", "conflict"])
def test_tasks_that_need_the_same_node_share_it_and_others_part_before_it(colour, first):
    """One stem sees red alone and the other green alone; keypoints are how red an image is, and edges how red or
    how green."""
    pixels = torch.randint(
        0, 256, (40, 1, 1, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    pixels = pixels.expand(40, 32, 32, 3).contiguous()
    known = {"keypoints": pixels[..., 0].float() / 128 - 1, "edges": pixels[..., colour].float() / 128 - 1}
    tasks = make_tasks("scene", tuple(known), CLASSES, FIXED)
    objective = Objective(tasks, dict.fromkeys(tasks, 1.0))
    network = BranchingNetwork(channels(objective), replace(NETWORK, dropout=0.0, seed=3), cut([0]))
    for number, trunk in enumerate(network.trunks):
        trunk.add_module("stem", OneColour(trunk.stem, number))
    branching = Branching(2, 2)
    recipe = SearchRecipe(
        iterations=120,
        batch_size=8,
        weight_steps=6,
        policy_steps=4,
        head_rate=0.02,
        backbone_rate=0.02,
        policy_rate=0.1,
        policy_weight_decay=0.0,
        temperature=1.0,
        temperature_decay=0.95,
        hard=True,
    )
    data = DenseImages(pixels, known, torch.arange(40))
    search_tree(network, branching, data, objective, recipe, seed=3, device=CPU)
    assert branching.likeliest()[0] == first
