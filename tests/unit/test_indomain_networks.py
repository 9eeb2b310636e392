"""Rows of the in-domain table that change or adapt a network: Meta-LSTM, TADAM, AdaResNet."""

import copy
import math

import pytest
import torch
from torch.nn import functional as F

from farfield.backbones import build
from farfield.backbones.backbone import parameter_count
from farfield.errors import InputError
from farfield.metalearning import meta_learner
from farfield.metalearning.meta_lstm import Gates, preprocessed

WAY, SHOT, QUERIES = 3, 2, 6


def learner_on_images(name, **settings):
    torch.manual_seed(0)
    backbone = build("conv4", width=4, image_size=32)
    return meta_learner(name, backbone, WAY, settings).double()


def images(seed=0, episodes=1):
    generator = torch.Generator().manual_seed(seed)
    support = torch.randn(episodes, WAY, SHOT, 3, 32, 32, generator=generator, dtype=torch.float64)
    query = torch.randn(episodes, QUERIES, 3, 32, 32, generator=generator, dtype=torch.float64)
    return support, query


# Meta-LSTM


def fixed_gates(learner, forget, rate):
    for gate, bias in ((learner.gates.forget, forget), (learner.gates.rate, rate)):
        torch.nn.init.zeros_(gate.weight)
        torch.nn.init.constant_(gate.bias, bias)
    return learner


def test_fixed_gates_are_gradient_descent_with_decay():
    learner = fixed_gates(learner_on_images("meta_lstm", steps=3, divided=False), 5.0, -2.0)
    network = copy.deepcopy(learner.network).train()
    support, query = images()
    decay, rate = (float(torch.tensor(x, dtype=torch.float64).sigmoid()) for x in (5.0, -2.0))
    target = torch.arange(WAY).repeat_interleave(SHOT)
    for _ in range(3):
        loss = F.cross_entropy(network(support[0].flatten(0, 1)), target)
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        for parameter, gradient in zip(network.parameters(), gradients, strict=True):
            parameter.data.mul_(decay).sub_(rate * gradient)
    learner.eval()
    torch.testing.assert_close(learner(support, query)[0], network.eval()(query[0]))


def test_the_released_code_divides_the_gradient_by_the_images_once_more():
    support, _ = images()
    plain = fixed_gates(learner_on_images("meta_lstm", steps=1, divided=False), 40.0, 0.0)
    divided = fixed_gates(learner_on_images("meta_lstm", steps=1, divided=True), 40.0, 0.0)
    start = dict(plain.network.named_parameters())["classifier.bias"].detach()
    moved = [one.adapted(support[0])["classifier.bias"].detach() - start for one in (plain, divided)]
    torch.testing.assert_close(moved[0], moved[1] * WAY * SHOT)


def test_preprocessing_and_size_of_the_meta_learner():
    found = preprocessed(torch.tensor([0.01, -1e-5, 0.0, math.log(5)]))
    expected = torch.tensor([[-0.4605, 1], [-1, -0.2203], [-1, 0], [0.0476, 1]])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert parameter_count(Gates(4.5, -4.5)) == 2_046
    learner = meta_learner("meta_lstm", build("conv4", width=32, image_size=84), 5, {})
    assert parameter_count(learner.network) == 32_901


def test_the_start_learns_through_the_forget_gates_alone():
    """Gradients of the support count as constants, so d loss / d w_0 is the product of the gates times that
    at w_T."""
    learner = fixed_gates(learner_on_images("meta_lstm", steps=3), 1.0, -2.0).train()
    support, query = images()
    loss, _ = learner.loss(support, query)
    name = "classifier.weight"
    (found,) = torch.autograd.grad(loss, dict(learner.network.named_parameters())[name])
    adapted = {key: value.detach().requires_grad_() for key, value in learner.adapted(support[0]).items()}
    logits = torch.func.functional_call(learner.network.train(), adapted, (query[0],))
    target = torch.arange(WAY).repeat_interleave(QUERIES // WAY)
    (last,) = torch.autograd.grad(F.cross_entropy(logits, target), adapted[name])
    gates = float(torch.tensor(1.0, dtype=torch.float64).sigmoid()) ** 3
    torch.testing.assert_close(found, last * gates)


def test_queries_of_meta_lstm_are_answered_one_by_one_in_tests():
    learner = learner_on_images("meta_lstm", steps=2).eval()
    support, query = images()
    with torch.inference_mode():
        plain = learner(support, query)
        torch.testing.assert_close(learner(support, query[:, 2:3]), plain[:, 2:3])


# TADAM


def test_tadam_starts_as_prototypes_with_a_scaled_distance_that_is_not_squared():
    learner = learner_on_images("tadam", classes=7).eval()
    support, query = images()
    means = learner.backbone(support[0].flatten(0, 1)).unflatten(0, (WAY, SHOT)).mean(1)
    expected = -7.5 * (learner.backbone(query[0])[:, None] - means).norm(dim=-1)
    torch.testing.assert_close(learner(support, query)[0], expected)


def test_zero_conditioning_is_the_plain_network_to_the_bit_and_learns_from_there():
    learner = learner_on_images("tadam", classes=7).eval()
    support, query = images()
    plain = learner.backbone(query[0])
    learner.condition(torch.randn(learner.backbone.feature_dim, dtype=torch.float64))
    assert torch.equal(learner.backbone(query[0]), plain)
    learner.condition(None)
    learner.loss(support, query)[0].backward()
    assert all(embedding.start.grad.abs().min() > 0 for embedding in learner.conditioning)


def test_the_code_of_a_task_does_not_know_the_order_of_its_ways():
    learner = learner_on_images("tadam", classes=7).eval()
    for embedding in learner.conditioning:
        torch.nn.init.constant_(embedding.start, 0.5)
    support, query = images()
    ways = torch.tensor([2, 0, 1])
    torch.testing.assert_close(learner(support[:, ways], query), learner(support, query)[..., ways])


def test_published_size_of_the_task_embedding_and_of_the_auxiliary_head():
    with torch.device("meta"):
        learner = meta_learner("tadam", build("resnet12_tadam"), 5, {"classes": 64})
    assert len(learner.layers) == 12
    assert parameter_count(learner.conditioning) == 7_144_344
    assert parameter_count(learner.head) == 32_832


def test_the_auxiliary_step_becomes_rare():
    learner = learner_on_images("tadam", classes=7)
    assert learner.auxiliary_probability(0.0) == pytest.approx(0.9)
    assert learner.auxiliary_probability(0.99) == pytest.approx(0.9**20)
    assert learner_on_images("tadam", classes=7, auxiliary=False).auxiliary_probability(0.0) == 0
    _, query = images()
    learner.auxiliary_loss(query[0], torch.arange(QUERIES)).backward()
    assert learner.head.weight.grad is not None


# AdaResNet


def test_zero_shifts_are_the_plain_network_to_the_bit():
    learner = learner_on_images("shifted_neurons", hidden=5).eval()
    for net in (learner.of_hidden, learner.of_output):
        torch.nn.init.zeros_(net[-1].weight)
        torch.nn.init.zeros_(net[-1].bias)
    support, query = images()
    plain = learner.output(learner.hidden(learner.backbone(query[0])).relu())
    assert torch.equal(learner(support, query)[0], plain)


def test_shifts_are_those_of_a_loop():
    torch.manual_seed(1)
    learner = meta_learner("shifted_neurons", build("features", width=4), WAY, {"hidden": 3}).double()
    support = torch.randn(1, WAY, SHOT, 8, dtype=torch.float64)  # features beside keys
    query = torch.randn(1, 2, 8, dtype=torch.float64)
    flat, values = support[0].flatten(0, 1), []
    for i, image in enumerate(flat):
        before = learner.hidden(image[:4])
        logits = learner.output(before.relu()).detach().requires_grad_()
        loss = F.cross_entropy(logits[None], torch.tensor([i // SHOT]))
        (slope,) = torch.autograd.grad(loss, logits)
        hidden = [learner.of_hidden(float(before[j] > 0) * slope) for j in range(3)]
        output = [learner.of_output(slope[j] * slope) for j in range(WAY)]
        values.append((torch.cat(hidden), torch.cat(output)))
    found = learner.classify(support, query)[0]
    for q, image in enumerate(query[0]):
        weights = torch.stack([10 * F.cosine_similarity(image[4:], one[4:], dim=0) for one in flat]).softmax(
            0
        )
        shifts = [sum(w * value[k] for w, value in zip(weights, values, strict=True)) for k in (0, 1)]
        h = learner.hidden(image[:4]).relu() + shifts[0].relu()
        torch.testing.assert_close(found[q], learner.output(h) + shifts[1])


def test_the_order_of_the_support_does_not_matter_to_shifts_and_keys_are_a_network_apart():
    learner = learner_on_images("shifted_neurons").eval()
    support, query = images()
    torch.testing.assert_close(learner(support.flip(2), query), learner(support, query))
    ours, keys = (next(net.parameters()) for net in (learner.backbone, learner.key))
    assert not torch.equal(ours, keys)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("meta_lstm", {"steps": 0}, "steps"),
        ("tadam", {"classes": 7, "scale": 0}, "scale"),
        ("leo", {"latent": 0}, "latent"),
        ("snail", {"filters": 6}, "filters"),
        ("snail", {"first_dilation": 3}, "first_dilation"),
        ("tpn", {"alpha": 1.0}, "alpha"),
        ("r2d2", {"regularisation": 0}, "regularisation"),
        ("rfs", {"penalty": 0}, "penalty"),
        ("meta_baseline", {"scale": 0}, "scale"),
        ("weight_generator", {"classes": 5}, "base classes"),
    ],
)
def test_impossible_settings_are_refused_by_name(name, settings, message):
    with pytest.raises(InputError, match=message):
        meta_learner(name, build("conv4", width=4, image_size=32), WAY, settings)
