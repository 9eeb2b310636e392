"""Routing through frozen and tuned branches: exact against dense, plain and hand-written networks."""

import copy

import numpy as np
import pytest
import torch
from interrupted import kill_after_two_epochs
from torch.nn import functional as F

from farfield.backbones import build
from farfield.errors import InputError
from farfield.training.classifier import Classifier
from farfield.training.images import evaluation_view
from farfield.training.loop import LabelledImages
from farfield.training.recipe import Recipe
from farfield.tuning.adapted import fit_adapted
from farfield.tuning.gumbel import relaxed
from farfield.tuning.methods.random_policy import RandomPolicy
from farfield.tuning.methods.spottune import SpotTune
from farfield.tuning.partition import partition, take
from farfield.tuning.policies import evaluate_routed, mean_policy
from farfield.tuning.policy import PolicyNet, tuned_probability
from farfield.tuning.residual import residual_blocks
from farfield.tuning.routing import Blend, Routed, routed_blocks

CPU = torch.device("cpu")
RECIPE = Recipe(
    epochs=3, batch_size=8, optimizer="sgd", learning_rate=0.05, weight_decay=1e-4, augmentation=None
)


def plain(name="resnet26"):
    torch.manual_seed(0)
    if name == "torchvision":
        from torchvision.models.resnet import BasicBlock, ResNet

        return disturb(ResNet(BasicBlock, [1, 1, 1, 1], num_classes=5))
    kind = {"resnet26": "resnet8", "bottleneck": "resnet14", "basic": "resnet10"}[name]
    return disturb(Classifier(build(kind, width=8), 5))


def disturb(module):
    """Give `module` weights, scales and running statistics that no initialisation has."""
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                noise = 0.1 * torch.randn_like(tensor)
                tensor.copy_(tensor.abs() + noise.abs() if "var" in name else tensor + noise)
    return module


def routed(name="resnet26", tuned_differs=True, **settings):
    """A routed network in evaluation mode whose policy sends images different ways."""
    network = plain(name)
    policy = disturb(PolicyNet(len(routed_blocks(network, settings.get("routed", "all"))), "resnet26", 8))
    with torch.no_grad():  # every block tuned for about half of the images
        head = policy.network.head
        logits = policy.eval()(pixels()).flatten(1)
        head.weight /= logits.std(0)[:, None]
        head.bias -= policy(pixels()).flatten(1).mean(0)
    whole = Routed(network, policy, **settings)
    for block in whole.blocks if tuned_differs else ():
        disturb(block.tuned)
    return whole.to(memory_format=torch.channels_last).eval()


def pixels(count=24, size=32):
    images = torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))
    return images.contiguous(memory_format=torch.channels_last)


def packed(count=24):
    random = np.random.default_rng(0)
    images = torch.from_numpy(random.integers(0, 256, (count, 18, 18, 3), dtype=np.uint8))
    return LabelledImages(images, torch.arange(count), torch.arange(count) % 4)


def trained(method, backbone=None, checkpoint=None, recipe=RECIPE):
    torch.manual_seed(0)
    adapted = method(backbone or build("resnet8", width=8), 4)
    curve = fit_adapted(adapted, packed(), recipe, image_size=16, seed=5, device=CPU, checkpoint=checkpoint)
    return adapted.network, curve


def assert_same(ours, expected):
    """To 1e-5 of the larger logits."""
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5 * max(1, float(expected.abs().max())))


ALL_KINDS = pytest.mark.parametrize("name", ["resnet26", "bottleneck", "basic", "torchvision"])


@ALL_KINDS
@torch.no_grad()
def test_partitioned_equals_dense(name):
    network = routed(name)
    for rule in ("argmax", "sampled", "random", "all_tuned", "all_frozen"):
        network.override, network.partition = rule, True
        partitioned = network(pixels())
        network.partition = False
        assert_same(partitioned, network(pixels()))
    network.override = "argmax"
    network(pixels())
    assert 0.1 < network.actions.float().mean() < 0.9


@ALL_KINDS
@torch.no_grad()
def test_at_first_no_decision_changes_anything(name):
    network = routed(name, tuned_differs=False)
    expected = plain(name).eval()(pixels())
    for rule in ("argmax", "sampled", "random", "all_tuned", "all_frozen"):
        network.override = rule
        assert_same(network(pixels()), expected)


@ALL_KINDS
@torch.no_grad()
def test_all_frozen_is_the_source_network_and_all_tuned_the_network_of_tuned_blocks(name):
    network = routed(name)
    source, standalone = (plain(name).to(memory_format=torch.channels_last).eval() for _ in range(2))
    for block_name, block in zip(network.names, network.blocks, strict=True):
        standalone.get_submodule(block_name).load_state_dict(block.tuned.state_dict())
    network.override = "all_frozen"
    assert torch.equal(network(pixels()), source(pixels()))
    network.override = "all_tuned"
    assert torch.equal(network(pixels()), standalone(pixels()))
    assert not torch.equal(source(pixels()), standalone(pixels()))


@torch.no_grad()
def test_each_image_takes_its_own_path():
    network = routed(routed=2)
    network.override = "sampled"
    logits = network(pixels(6))
    blocks = [dict(network.network.named_modules())[name] for name in network.names]
    backbone = network.network.backbone
    for i, actions in enumerate(network.actions.tolist()):
        x = backbone.layers[0](backbone.stem(pixels(6)[i : i + 1]))
        for block, action in zip(blocks, actions, strict=True):
            x = (block.tuned if action else block.frozen)(x)
        expected = network.network.head(F.relu(backbone.norm(x)).mean((2, 3)))[0]
        assert_same(logits[i], expected)


def test_no_row_goes_through_a_block_twice_and_agreement_costs_no_copy():
    network = routed()
    seen, inputs = {}, []
    for i, block in enumerate(network.blocks):
        for branch in (block.frozen, block.tuned):
            branch.register_forward_hook(lambda m, a, o, i=i: seen.update({i: seen.get(i, 0) + len(a[0])}))
    network(pixels())
    assert seen == dict.fromkeys(range(3), 24)
    network.override = "all_tuned"
    block = network.blocks[0]
    block.register_forward_pre_hook(lambda m, a: inputs.append(a[0]))
    block.tuned.register_forward_pre_hook(lambda m, a: inputs.append(a[0]))
    network(pixels())
    assert inputs[0] is inputs[1]


def test_paths_of_an_image_share_what_they_have_in_common():
    actions = torch.from_numpy(np.random.default_rng(0).random((7, 5, 4)) < 0.5)
    steps, rows = partition(actions)
    # A map that records the path it took, in place of features.
    taken = [(image,) for image in range(5)]
    for depth, step in enumerate(steps):
        frozen, tuned = ([(*taken[row], side) for row in rows_] for side, rows_ in enumerate(step))
        taken = frozen + tuned
        prefixes = {(i, *map(int, path[i, : depth + 1])) for path in actions for i in range(5)}
        assert len(taken) == len(prefixes)
        assert set(taken) == prefixes
    assert [taken[row] for row in rows] == [(i, *map(int, path[i])) for path in actions for i in range(5)]


def test_rows_are_taken_from_either_memory_layout():
    maps, rows = torch.randn(6, 3, 4, 5), torch.tensor([0, 2, 5])
    for layout in (torch.contiguous_format, torch.channels_last):
        assert torch.equal(take(maps.contiguous(memory_format=layout), rows), maps[rows])
    assert take(maps, torch.arange(6)) is maps


def test_a_blend_is_the_chosen_map_and_its_gradient_that_of_the_weighted_sum():
    generator = torch.Generator().manual_seed(0)
    frozen, tuned = (torch.randn(9, 4, 3, 3, generator=generator, requires_grad=True) for _ in range(2))
    actions = (torch.arange(9) % 2).float().requires_grad_()
    weights = torch.randn(9, 4, 3, 3, generator=generator)
    blend = Blend.apply(frozen, tuned, actions)
    assert torch.equal(blend[::2], frozen[::2])
    assert torch.equal(blend[1::2], tuned[1::2])
    a = actions[:, None, None, None]
    inputs = (frozen, tuned, actions)
    ours = torch.autograd.grad((blend * weights).sum(), inputs)
    expected = torch.autograd.grad((((1 - a) * frozen + a * tuned) * weights).sum(), inputs)
    for gradient, reference in zip(ours, expected, strict=True):
        torch.testing.assert_close(gradient, reference)


def test_the_gradient_of_the_policy_is_that_of_the_relaxed_loss_at_the_decisions():
    """dL/da by differences of a hand-written network with blended maps, at the hard actions; da/dlogits
    by differences of the relaxed actions."""
    network = routed(frozen_norm="eval").double().train()
    images, targets = pixels(6, 16).double(), torch.arange(6) % 5
    logits = []
    network.policy.register_forward_hook(lambda m, a, out: logits.append(out))
    torch.manual_seed(7)
    loss = F.cross_entropy(network(images), targets)
    (gradient,) = torch.autograd.grad(loss, logits[0])
    hard = network.actions.detach().round()

    backbone = network.network.backbone

    def relaxed_loss(actions):
        x = backbone.stem(images)
        for i, block in enumerate(network.blocks):
            a = actions[:, i, None, None, None]
            x = (1 - a) * block.frozen(x) + a * block.tuned(x)
        return F.cross_entropy(network.network.head(F.relu(backbone.norm(x)).mean((2, 3))), targets)

    def actions_of(logits):
        torch.manual_seed(7)
        return relaxed(logits, network.temperature)

    step = 1e-5
    with torch.no_grad():
        torch.testing.assert_close(loss, relaxed_loss(hard))
        for n, block, column in [(0, 0, 0), (1, 1, 1), (3, 2, 1), (5, 0, 1)]:
            one = torch.zeros_like(hard)
            one[n, block] = step
            by_action = (relaxed_loss(hard + one) - relaxed_loss(hard - one)) / (2 * step)
            shift = torch.zeros_like(logits[0])
            shift[n, block, column] = step
            by_logit = (actions_of(logits[0] + shift) - actions_of(logits[0] - shift)) / (2 * step)
            expected = by_action * by_logit[n, block]
            torch.testing.assert_close(gradient[n, block, column], expected, rtol=1e-5, atol=1e-12)


def test_in_training_each_branch_normalises_by_the_whole_batch():
    network = routed(tuned_differs=False).train()
    expected = plain().train()
    torch.manual_seed(0)
    network(pixels())
    expected(pixels())
    assert 0 < network.actions.mean() < 1
    statistics = {n: t for n, t in expected.state_dict().items() if "running" in n}
    for branch in ("frozen", "tuned"):
        ours = {n.replace(f".{branch}.", "."): t for n, t in network.network.state_dict().items()}
        for name, tensor in statistics.items():
            torch.testing.assert_close(ours[name], tensor, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("frozen_norm", ["eval", "stats", "adapt"])
def test_frozen_weights_stay_bit_for_bit_while_tuned_ones_move(frozen_norm):
    source = copy.deepcopy(dict(residual_blocks(build_seeded())))
    network, curve = trained(
        SpotTune(seed=1, policy_width=8, frozen_norm=frozen_norm), backbone=build_seeded()
    )
    assert curve[-1]["tuned_share"] == pytest.approx(
        np.mean([curve[-1][f"tuned_share_{i}"] for i in (1, 2, 3)])
    )
    for block, before in zip(network.blocks, source.values(), strict=True):
        for name, weight in before.state_dict().items():
            same = torch.equal(block.frozen.state_dict()[name], weight)
            fixed = {"eval": True, "stats": "running" not in name, "adapt": "conv" in name}[frozen_norm]
            assert same == (fixed and "tracked" not in name) or "tracked" in name, name
        for part in ("conv1", "conv2", "bn1"):
            assert not torch.equal(getattr(block.tuned, part).weight, getattr(before, part).weight)


def build_seeded():
    torch.manual_seed(3)
    return build("resnet8", width=8)


def test_after_training_all_frozen_is_still_the_source_network():
    method = SpotTune(seed=1, policy_width=8, frozen_norm="eval", stem="frozen", policy="imagenet")
    torch.manual_seed(3)
    source = build("resnet10", width=8).to(memory_format=torch.channels_last).eval()
    network, _ = trained(method, backbone=copy.deepcopy(source).train())
    network.eval().override = "all_frozen"
    with torch.no_grad():
        assert torch.equal(network(pixels()), network.network.head(source(pixels())))


def test_before_the_routed_blocks_a_fixed_network_records_no_gradient():
    needs = {}
    for stem in ("frozen", "trained"):
        network = routed(routed=2, frozen_norm="eval", stem=stem).train()
        network.blocks[0].register_forward_pre_hook(
            lambda m, a, s=stem: needs.update({s: a[0].requires_grad})
        )
        network(pixels(4)).sum().backward()
        assert all(p.grad is not None for p in network.policy.parameters())
        assert all(p.grad is None for p in network.network.backbone.layers[0].parameters())
    assert needs == {"frozen": False, "trained": True}


@pytest.mark.parametrize("method", [SpotTune(seed=2, policy_width=8), RandomPolicy(seed=2)], ids=type)
def test_a_resumed_training_equals_one_that_never_stopped(tmp_path, monkeypatch, method):
    path = tmp_path / "checkpoint.safetensors"
    method_ = method if method.__class__ is SpotTune else WithFigures(method)
    whole, curve = trained(method_)
    kill_after_two_epochs(monkeypatch, lambda: trained(method_, checkpoint=path))
    resumed, resumed_curve = trained(method_, checkpoint=path)
    assert curve == resumed_curve
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


class WithFigures:
    def __init__(self, method):
        self.method = method

    def __call__(self, *given):
        adapted = self.method(*given)
        adapted.figures = dict
        return adapted


def test_policy_and_network_learn_at_their_own_rates():
    adapted = SpotTune(seed=0, policy_width=8, policy_scale=0.25, policy_weight_decay=0.5)(build_seeded(), 4)
    main, policy = adapted.groups
    assert "scale" not in main
    assert (policy["scale"], policy["weight_decay"]) == (0.25, 0.5)
    assert {id(p) for p in policy["params"]} == {id(p) for p in adapted.network.policy.parameters()}
    grouped = {id(p) for group in adapted.groups for p in group["params"]}
    assert grouped == {id(p) for p in adapted.network.parameters() if p.requires_grad}


def test_one_pass_under_many_overrides_answers_as_one_pass_each():
    network = routed()
    data = packed(30)
    overrides = ["argmax", "all_tuned", "all_frozen", "random", "sampled"]
    routes = evaluate_routed(
        network, data, overrides, image_size=16, device=CPU, seed=9, samples=3, batch_size=64
    )
    view, network.seed = evaluation_view(data.images, 16), 9
    with torch.no_grad():
        for rule in overrides:
            network.override = rule
            assert torch.equal(routes.predictions[rule], network(view).argmax(1))
        network.override = "argmax"
        network(view)
    assert torch.equal(routes.actions, network.actions)
    assert torch.equal(routes.probabilities, network.probabilities.half())
    assert routes.sampled.shape == (3, 30)
    assert torch.equal(routes.sampled[0], routes.predictions["sampled"])
    assert not torch.equal(routes.sampled[0], routes.sampled[1])


def test_the_mean_policy_is_one_for_every_image_and_answers_as_the_network_that_it_leaves():
    network, training, data = routed(), packed(24), packed(30)
    with torch.no_grad():
        views = evaluation_view(training.images, 16)
        by_hand = torch.stack([tuned_probability(network.policy(view[None]))[0] for view in views]).mean(0)
    found = mean_policy(network, training, image_size=16, device=CPU)
    torch.testing.assert_close(found, by_hand, atol=1e-3, rtol=0)
    network.mean = torch.tensor([0.3, 0.7]).repeat(len(found))[: len(found)]
    found = evaluate_routed(network, data, ["mean"], image_size=16, device=CPU).predictions["mean"]
    left = copy.deepcopy(network)
    left.fix([bool(p > 0.5) for p in network.mean])
    left.eval()
    with torch.no_grad():
        assert torch.equal(found, left(evaluation_view(data.images, 16)).argmax(1))


def test_a_mean_policy_that_is_not_known_is_not_made_up():
    with pytest.raises(InputError, match="the mean policy is not known"):
        evaluate_routed(routed(), packed(), ["mean"], image_size=16, device=CPU)


def test_hooks_of_the_network_see_the_images_of_every_evaluation():
    network = routed()
    network.register_forward_pre_hook(lambda module, given: (given[0] * 0,))
    routes = evaluate_routed(network, packed(), image_size=16, device=CPU)
    assert len(set(routes.predictions["argmax"].tolist())) == 1


def test_random_decisions_are_new_in_training_and_repeat_in_evaluation():
    network = RandomPolicy(seed=4)(build("resnet10", width=8), 4).network
    torch.manual_seed(0)
    first = network(pixels()) is not None and network.actions
    network(pixels())
    assert not torch.equal(first, network.actions)
    assert 0.3 < first.mean() < 0.7
    network.eval()
    with torch.no_grad():
        whole, actions = network(pixels()), network.actions
        half = network(pixels()[12:])
    assert torch.equal(actions[12:], network.actions)
    assert_same(whole[12:], half)
    with pytest.raises(InputError, match="no policy"):
        evaluate_routed(network, packed(), ["argmax"], image_size=16, device=CPU)


def test_the_last_blocks_are_those_that_are_routed():
    network = plain("basic")
    names = list(residual_blocks(network))
    assert routed_blocks(network, "all") == names
    assert routed_blocks(network, 1) == names[-1:]
    assert routed_blocks(Classifier(build("resnet26", width=4), 2), "last8")[0] == "backbone.layers.1.0"
    for too_many in ("last8", 5):
        with pytest.raises(InputError, match="only 4 residual blocks"):
            routed_blocks(network, too_many)


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": 0},
        {"policy_scale": 0},
        {"policy_weight_decay": -1},
        {"stem": "old"},
        {"frozen_norm": "on"},
        {"routed": "some"},
        {"routed": 0},
        {"routed": True},
        {"policy": "vgg"},
        {"policy_width": 0},
    ],
)
def test_settings_that_mean_nothing_are_errors(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        SpotTune(**{"seed": 0, **wrong})


def test_under_mixed_precision_decisions_stay_exact_and_every_part_learns():
    network = routed().train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        network(pixels(8)).float().square().sum().backward()
    assert ((network.actions == 0) | (network.actions == 1)).all()
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)
    network.eval()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert network(pixels(8)).isfinite().all()
