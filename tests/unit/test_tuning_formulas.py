"""L2-SP, progressive nets, Auto-RGN and TAPS against their formulas, written out."""

import copy
from dataclasses import replace

import pytest
import torch
from tiny_task import CLASSES, RECIPE, SIZE, batches, moved, pretrained, snapshot, train
from torch import nn
from torch.nn import functional as F

from farfield.errors import InputError
from farfield.tuning.accounting import cost
from farfield.tuning.methods.auto_rgn import AutoRGN, relative_gradient_norms
from farfield.tuning.methods.l2_sp import L2SP
from farfield.tuning.methods.progressive import ProgressiveNet
from farfield.tuning.methods.taps import TAPS, GatedConvolution


def shaken(network: nn.Module) -> nn.Module:
    """All its parameters moved a little, the same way each time."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return network


def gradients(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("scope", ["conv", "all"])
def test_l2_sp_is_its_formula_and_so_is_its_gradient(scope):
    adapted = L2SP(seed=0, alpha=0.3, beta=0.2, scope=scope)(pretrained(), CLASSES)
    images, targets = batches(0)[0]
    start = {f"backbone.{name}": p.detach().clone() for name, p in pretrained().named_parameters()}
    shaken(adapted.network)
    plain = copy.deepcopy(adapted.network)

    value, _ = adapted.loss(adapted.network, images, targets, 0.0)
    value.backward()

    expected = F.cross_entropy(plain(images), targets)
    for name, parameter in plain.named_parameters():
        if name in start and (scope == "all" or parameter.ndim == 4):
            expected = expected + 0.3 / 2 * ((parameter - start[name]) ** 2).sum()
        if name == "head.weight" or (scope == "all" and name == "head.bias"):
            expected = expected + 0.2 / 2 * (parameter**2).sum()
    expected.backward()
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradients(adapted.network), gradients(plain), atol=1e-6, rtol=1e-5)


def test_l2_sp_replaces_weight_decay_and_keeps_its_anchors_out_of_the_state():
    adapted = L2SP(seed=0)(pretrained(), CLASSES)
    assert [group["weight_decay"] for group in adapted.groups] == [0.0]
    assert set(adapted.network.state_dict()) == {
        *(f"backbone.{name}" for name in pretrained().state_dict()),
        "head.weight",
        "head.bias",
    }


def test_training_with_l2_sp_adds_the_pull_to_the_gradient():
    adapted = L2SP(seed=0, alpha=0.5, beta=0.1)(pretrained("resnet8"), CLASSES)
    expected = copy.deepcopy(adapted.network)
    train(adapted)
    start = [p.detach().clone() for p in expected.parameters()]
    optimizer = torch.optim.SGD(expected.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(RECIPE.epochs):
        for images, targets in batches(epoch):
            optimizer.zero_grad()
            F.cross_entropy(expected.train()(images), targets).backward()
            for parameter, source in zip(expected.parameters(), start, strict=True):
                if parameter.ndim == 4:
                    parameter.grad += 0.5 * (parameter.detach() - source)
            expected.head.weight.grad += 0.1 * expected.head.weight.detach()
            optimizer.step()
    torch.testing.assert_close(
        dict(adapted.network.state_dict()), dict(expected.state_dict()), atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize("train_mode", [True, False])
def test_progressive_nets_are_a_loop_over_the_blocks_of_two_columns(train_mode):
    adapted = ProgressiveNet(seed=0)(pretrained(), CLASSES)
    network = shaken(adapted.network).train(train_mode)
    images = torch.randn(6, 3, SIZE, SIZE)
    s, h = network.source, network.backbone
    s_map = s.maxpool(F.relu(s.bn1(s.conv1(images))))
    h_map = h.maxpool(F.relu(h.bn1(h.conv1(images))))
    for i, layer in enumerate(["layer1", "layer2", "layer3", "layer4"]):
        reduce, _, restore = network.laterals[i]
        assert reduce.out_channels == reduce.in_channels // 4
        h_map = getattr(h, layer)(h_map + restore(F.relu(reduce(s_map))))
        s_map = getattr(s, layer)(s_map)
    expected = network.head(torch.cat([h_map.mean((2, 3)), s_map.mean((2, 3))], dim=1))
    torch.testing.assert_close(network(images), expected)


@pytest.mark.parametrize("name", ["resnet26", "resnet10", "resnet14"])
def test_a_pretrained_column_starts_as_the_pretrained_network_and_the_source_stays_so(name):
    network = ProgressiveNet(seed=0)(pretrained(name), CLASSES).network.eval()
    images = torch.randn(4, 3, SIZE, SIZE)
    assert not network.head.bias.any()
    features = pretrained(name).eval()(images)
    torch.testing.assert_close(network(images), network.head(torch.cat([features, features], dim=1)))

    adapted = ProgressiveNet(seed=0)(pretrained(name), CLASSES)
    before = snapshot(adapted.network)
    train(adapted)
    changed = moved(before, snapshot(adapted.network))
    assert changed == {entry for entry in before if not entry.startswith("source.")}


def test_a_fresh_column_is_drawn_anew():
    fresh, again = (ProgressiveNet(seed=0, column="fresh")(pretrained(), CLASSES).network for _ in range(2))
    assert not moved(snapshot(fresh), snapshot(again))
    source, column = fresh.source.state_dict(), fresh.backbone.state_dict()
    assert {"conv1.weight", "layer4.0.conv3.weight", "bn1.running_mean"} <= moved(source, column)
    weight = column["layer4.0.conv2.weight"]
    assert float(weight.std()) == pytest.approx((2 / (9 * weight.shape[0])) ** 0.5, rel=0.05)


def test_progressive_nets_need_residual_blocks():
    with pytest.raises(InputError, match="no residual blocks"):
        ProgressiveNet(seed=0)(pretrained("conv4"), CLASSES)


def test_relative_gradient_norms_are_quotients_of_lengths():
    weight = nn.Parameter(torch.tensor([[3.0, 4.0]]))
    weight.grad = torch.tensor([[0.0, 2.0]])
    zeros = nn.Parameter(torch.zeros(2))
    zeros.grad = torch.ones(2)
    assert relative_gradient_norms([weight, zeros]).tolist() == pytest.approx([0.4, 0.0])


def test_auto_rgn_equals_gradient_steps_at_rates_computed_by_hand():
    """Four steps an epoch, measured in the first two; the second epoch measures anew."""
    recipe = replace(RECIPE, epochs=2, batch_size=6, momentum=0.0, weight_decay=0.0, learning_rate=0.02)
    expected = copy.deepcopy(AutoRGN(seed=0)(pretrained("resnet8"), CLASSES).network).train()
    tensors = [p for p in expected.backbone.parameters() if p.ndim == 4]
    head = list(expected.head.parameters())
    for epoch in range(2):
        measured = []
        for step, (images, targets) in enumerate(batches(epoch, recipe)):
            loss = F.cross_entropy(expected(images), targets)
            grads = torch.autograd.grad(loss, [*tensors, *head])
            if step < 2:
                measured.append([(g.norm() / w.norm()).item() for g, w in zip(grads, tensors, strict=False)])
            mean = [sum(values) / len(measured) for values in zip(*measured, strict=True)]
            rates = [value / max(mean) for value in mean] + [1.0, 1.0]
            with torch.no_grad():
                for weight, gradient, rate in zip([*tensors, *head], grads, rates, strict=True):
                    weight -= 0.02 * rate * gradient
    adapted = AutoRGN(seed=0, batches=2)(pretrained("resnet8"), CLASSES)
    before = snapshot(adapted.network)
    train(adapted, recipe)
    torch.testing.assert_close(
        dict(adapted.network.state_dict()), dict(expected.state_dict()), atol=1e-5, rtol=1e-4
    )
    untouched = set(before) - moved(before, snapshot(adapted.network))
    assert untouched == {f"backbone.{n}" for n, p in pretrained("resnet8").named_parameters() if p.ndim == 1}


def gated(score: float) -> GatedConvolution:
    torch.manual_seed(0)
    layer = GatedConvolution(nn.Conv2d(2, 3, 3, stride=2, padding=1)).double()
    with torch.no_grad():
        layer.delta.normal_()
        layer.score.fill_(score)
    return layer


@pytest.mark.parametrize(("score", "open_gate"), [(0.15, 1), (0.1000001, 1), (0.0999999, 0), (-0.3, 0)])
def test_a_gate_is_open_from_its_threshold_and_passes_the_gradient_of_the_relaxed_layer(score, open_gate):
    layer, x = gated(score), torch.randn(2, 2, 5, 5, dtype=torch.float64)

    def relaxed(gate):
        weight = layer.weight + gate * layer.delta
        return F.conv2d(x, weight, layer.bias, stride=2, padding=1).pow(2).sum()

    loss = layer(x).pow(2).sum()
    assert torch.equal(loss, relaxed(open_gate))
    loss.backward()
    slope = (relaxed(open_gate + 1e-6) - relaxed(open_gate - 1e-6)) / 2e-6
    assert layer.score.grad.item() == pytest.approx(slope.item(), rel=1e-6)
    assert bool(layer.delta.grad.any()) == bool(open_gate)
    assert layer.weight.grad is None


def test_taps_starts_as_the_pretrained_network_and_never_moves_its_convolutions():
    adapted = TAPS(seed=0)(pretrained(), CLASSES)
    images = torch.randn(4, 3, SIZE, SIZE)
    torch.testing.assert_close(
        adapted.network.eval().backbone(images), pretrained().eval()(images), atol=0, rtol=0
    )
    before = snapshot(adapted.network)
    train(adapted)
    still = set(before) - moved(before, snapshot(adapted.network))
    assert still == {f"backbone.{name}" for name, p in pretrained().named_parameters() if p.ndim == 4}


def test_the_penalty_of_taps_is_the_mean_score_and_comes_after_the_warm_up():
    adapted = TAPS(seed=0, penalty=0.4, warmup=2)(pretrained(), CLASSES)
    layers = [part for part in adapted.network.modules() if isinstance(part, GatedConvolution)]
    with torch.no_grad():
        for i, layer in enumerate(layers):
            layer.score.fill_(-0.2 if i == 0 else 0.15)
    images, targets = batches(0)[0]
    assert adapted.groups[1] == {"params": [layer.score for layer in layers], "weight_decay": 0.0}
    adapted.network.eval()
    expected = F.cross_entropy(adapted.network(images), targets).item()
    optimizer = torch.optim.SGD(adapted.groups, lr=0.1)
    for epoch, term in enumerate([0, 0, 0.4 * (0.2 + 0.15 * (len(layers) - 1)) / len(layers)]):
        adapted.before_epoch(epoch, optimizer)
        value, _ = adapted.loss(adapted.network, images, targets, 0.0)
        assert value.item() == pytest.approx(expected + term)
    assert adapted.figures() == {"changed_layers": len(layers) - 1}


def test_a_penalty_gives_layers_back_to_the_source_and_they_cost_nothing():
    adapted = TAPS(seed=0, penalty=2.0, warmup=0)(pretrained(), CLASSES)
    layers = [part for part in adapted.network.modules() if isinstance(part, GatedConvolution)]
    assert adapted.figures()["changed_layers"] == len(layers)
    train(adapted)
    closed = [layer for layer in layers if layer.score < 0.1]
    assert closed
    assert adapted.figures()["changed_layers"] == len(layers) - len(closed)

    norms = sum(p.numel() for p in pretrained().parameters() if p.ndim == 1)
    kept = sum(layer.delta.numel() for layer in layers if layer not in closed)
    assert cost(adapted.network, pretrained()).task == norms + kept + len(layers) / 32
