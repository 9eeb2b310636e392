"""MAML against finite differences, torch's own SGD and gradients taken at the adapted weights."""

import copy

import pytest
import torch
from torch.func import functional_call
from torch.nn import functional as F

from farfield.backbones import build
from farfield.backbones.conv4 import Conv4
from farfield.errors import InputError
from farfield.metalearning.fwt import feature_wise_transform
from farfield.metalearning.maml import MAML

WAY, SHOT, QUERIES = 3, 2, 4


def learner(dtype=torch.float64, **settings):
    torch.manual_seed(0)
    settings = {"inner_rate": 0.1, "inner_steps": 3} | settings
    return MAML(Conv4(width=4, image_size=16), WAY, **settings).to(dtype).train()


def episodes(count, dtype=torch.float64, size=16):
    generator = torch.Generator().manual_seed(1)
    support = torch.randn(count, WAY, SHOT, 3, size, size, generator=generator, dtype=dtype)
    return support, torch.randn(count, WAY * QUERIES, 3, size, size, generator=generator, dtype=dtype)


def outer_gradient(maml, support, query):
    maml.zero_grad()
    maml.loss(support, query)[0].backward()
    return torch.cat([p.grad.flatten() for p in maml.parameters()])


@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_outer_gradient_is_a_finite_difference(checkpointing):
    maml, (support, query) = learner(checkpointing=checkpointing), episodes(1)
    gradient = outer_gradient(maml, support, query)
    weights = torch.nn.utils.parameters_to_vector(maml.parameters()).detach()
    generator = torch.Generator().manual_seed(2)
    for _ in range(4):
        direction = torch.randn(weights.shape, generator=generator, dtype=weights.dtype)
        losses = []
        for step in (1e-6, -1e-6):
            torch.nn.utils.vector_to_parameters(weights + step * direction, maml.parameters())
            losses.append(maml.loss(support, query)[0].item())
        assert (losses[0] - losses[1]) / 2e-6 == pytest.approx((gradient @ direction).item(), rel=1e-5)


def test_an_inner_step_is_a_step_of_sgd_over_all_parameters():
    maml, (support, _) = learner(inner_steps=1), episodes(1)
    network = copy.deepcopy(maml.network)
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    F.cross_entropy(network(support[0].flatten(0, 1)), torch.tensor([0, 0, 1, 1, 2, 2])).backward()
    optimizer.step()
    adapted = maml.adapted(support[0])
    for name, expected in network.named_parameters():
        torch.testing.assert_close(adapted[name], expected)
        started = maml.network.get_parameter(name)
        # BatchNorm takes away what the bias of a convolution adds.
        assert name.endswith("0.bias") or not torch.equal(adapted[name], started)


def test_the_classifier_starts_without_bias():
    assert (learner().network.classifier.bias == 0).all()


def test_first_order_takes_the_gradient_at_the_adapted_weights():
    (support, query), approximate = episodes(1), learner(first_order=True)
    adapted = {name: w.detach().requires_grad_() for name, w in approximate.adapted(support[0]).items()}
    logits = functional_call(approximate.network, adapted, (query[0],))
    loss = F.cross_entropy(logits, torch.arange(WAY).repeat_interleave(QUERIES))
    expected = torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(adapted.values()))])
    torch.testing.assert_close(outer_gradient(approximate, support, query), expected)
    exact = outer_gradient(learner(), support, query)
    assert (exact - expected).norm() > 0.01 * exact.norm()


def test_tasks_one_by_one_accumulate_the_gradient_of_their_sum():
    maml, (support, query) = learner(), episodes(3)
    assert maml.tasks == "sum"
    joint = 3 * outer_gradient(maml, support, query)  # a mean over the episodes of one call
    maml.zero_grad()
    for episode in range(3):
        maml.loss(support[episode, None], query[episode, None])[0].backward()
    torch.testing.assert_close(torch.cat([p.grad.flatten() for p in maml.parameters()]), joint)


@pytest.mark.parametrize("name", ["conv4", "resnet10"])
def test_checkpointing_changes_no_gradient(name):
    support, query = episodes(1, size=32)
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        maml = MAML(build(name, width=4, image_size=32), WAY, checkpointing=checkpointing).double()
        gradients.append(outer_gradient(maml, support, query))
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-12)


def test_checkpointing_keeps_the_precision_of_the_forward_pass():
    (support, query), gradients = episodes(1, torch.float32), []
    for checkpointing in (False, True):
        maml = learner(torch.float32, checkpointing=checkpointing)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss, _ = maml.loss(support, query)
        loss.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in maml.parameters()]))
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-2 * gradients[0].abs().max().item())


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_evaluation_adapts_as_training_does(autocast, layout):
    maml, (support, query) = learner(torch.float32).to(memory_format=layout), episodes(2, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        expected = maml(support, query).detach()
        maml.eval()
        with torch.no_grad():
            torch.testing.assert_close(maml(support, query), expected, atol=1e-5, rtol=1e-4)
        with torch.inference_mode():
            torch.testing.assert_close(maml(support.clone(), query.clone()), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("norm", ["batch", "running"])
def test_evaluation_repeats_itself_and_leaves_the_learner_alone(norm):
    maml, (support, query) = learner(norm=norm), episodes(2)
    outer_gradient(maml, support, query)  # moves running statistics off their start
    maml.zero_grad()
    maml.eval()
    before = copy.deepcopy(maml.state_dict())
    logits = maml(support, query)
    assert logits.shape == (2, WAY * QUERIES, WAY)
    assert not logits.requires_grad
    assert torch.equal(maml(support, query), logits)
    assert torch.equal(maml(support[1:], query[1:], first=1), logits[1:])
    assert all(torch.equal(before[name], tensor) for name, tensor in maml.state_dict().items())
    assert all(p.grad is None for p in maml.parameters())


def test_only_batch_statistics_classify_queries_jointly():
    support, query = episodes(1)
    for norm, jointly in (("batch", True), ("running", False)):
        maml = learner(norm=norm).eval()
        assert maml.transductive == jointly
        alone = maml(support, query[:, :6])
        assert torch.allclose(maml(support, query)[:, :6], alone) != jointly


def test_evaluation_may_take_more_steps_than_training():
    support, query = episodes(1)
    longer = learner(test_steps=7).eval()(support, query)
    assert torch.equal(longer, learner(inner_steps=7).eval()(support, query))
    assert not torch.allclose(longer, learner().eval()(support, query))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inner_rate": 0.0}, "inner_rate"),
        ({"inner_steps": 0}, "inner_steps"),
        ({"norm": "layer"}, "batch or running, found 'layer'"),
        ({"norm": "running", "checkpointing": True}, "checkpointing"),
    ],
)
def test_impossible_settings_are_named(settings, message):
    with pytest.raises(InputError, match=message):
        learner(**settings)


def test_noise_on_features_is_refused():
    backbone = Conv4(4, 16)
    feature_wise_transform(backbone)
    with pytest.raises(InputError, match="feature-wise transformation"):
        MAML(backbone, WAY)
