"""Learning without forgetting: the distillation, the warm-up, and the plain loop it must equal."""

import copy

import numpy as np
import pytest
import torch
from decathlon_task import CLASSES, IMAGES, SGD, TARGETS, changed, pretrained, train
from torch import nn
from torch.nn import functional as F

from farfield.errors import InputError
from farfield.training.optimizers import make_optimizer
from farfield.training.recipe import Recipe
from farfield.tuning.adapted import KeepsSourceHead
from farfield.tuning.methods.lwf import LwF, distillation

HEAD = nn.Linear(32, 7)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def softened(logits, temperature):
    powers = np.exp(logits.detach().double().numpy() / temperature)
    return powers / powers.sum(1, keepdims=True)


def test_distillation_is_the_divergence_of_softened_answers_and_has_its_gradient():
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(5, 7, generator=generator, dtype=torch.float64, requires_grad=True)
    recorded = torch.randn(5, 7, generator=generator, dtype=torch.float64)
    value = distillation(logits, recorded, temperature=2)
    p, q = softened(recorded, 2), softened(logits, 2)
    assert value.item() == pytest.approx((p * np.log(p / q)).sum(1).mean())
    value.backward()
    np.testing.assert_allclose(logits.grad.numpy(), (q - p) / (2 * 5))
    assert distillation(recorded, recorded, temperature=2).item() == pytest.approx(0)


def test_lwf_adds_the_distillation_of_the_source_on_the_very_same_view():
    source, head = pretrained(), nn.Linear(32, 7)
    method = LwF(seed=0, temperature=3, weight=0.5, source_head=head)
    adapted = method(copy.deepcopy(source).train(), CLASSES)
    network = adapted.network.train()
    with torch.no_grad():  # as if it had learnt something
        network.source_head.weight.add_(0.1)
    value, logits = adapted.loss(network, IMAGES, TARGETS, 0.0)
    student = copy.deepcopy(source).train()(IMAGES)  # BatchNorm by the batch; the source by its statistics
    p = softened(head(source.eval()(IMAGES)), 3)
    q = softened(F.linear(student, head.weight + 0.1, head.bias), 3)
    expected = (
        F.cross_entropy(network.head(student), TARGETS).item() + 0.5 * (p * np.log(p / q)).sum(1).mean()
    )
    torch.testing.assert_close(logits, network.head(student))
    assert value.item() == pytest.approx(expected, rel=1e-4)


def test_lwf_trains_the_head_alone_while_it_warms_up_and_everything_afterwards():
    def moved(epochs):
        recipe = Recipe(epochs=epochs, batch_size=6, optimizer="sgd", learning_rate=0.05, weight_decay=1e-4)
        adapted = LwF(seed=0, warmup_epochs=2, source_head=HEAD)(pretrained(), CLASSES)
        before = {n: t.clone() for n, t in adapted.network.state_dict().items()}
        return changed(train(adapted, recipe), before), before.keys()

    assert moved(2)[0] == {"head.weight", "head.bias"}
    after, everything = moved(3)
    assert after == everything


def test_lwf_is_the_plain_loop_of_its_paper():
    """Two epochs of the head alone, then two of everything, each part with momentum from its first step."""
    source, head = pretrained(), nn.Linear(32, 7)
    adapted = LwF(seed=0, warmup_epochs=2, weight=1.5, source_head=head)(copy.deepcopy(source), CLASSES)
    network, reference = adapted.network, copy.deepcopy(adapted.network)

    optimizer = make_optimizer(SGD, adapted.groups)
    for epoch in range(4):
        adapted.before_epoch(epoch, optimizer)
        network.train()
        value, _ = adapted.loss(network, IMAGES, TARGETS, 0.1)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()

    def plain(parameters):
        return torch.optim.SGD(parameters, lr=0.05, momentum=0.9, weight_decay=1e-4, foreach=False)

    new = plain(reference.head.parameters())
    old = plain([*reference.backbone.parameters(), *reference.source_head.parameters()])
    with torch.no_grad():
        answers = F.softmax(head(source(IMAGES)) / 2, dim=1)
    for epoch in range(4):
        reference.backbone.train(epoch >= 2)
        features = reference.backbone(IMAGES)
        value = F.cross_entropy(reference.head(features), TARGETS, label_smoothing=0.1)
        if epoch >= 2:
            log_q = F.log_softmax(reference.source_head(features) / 2, dim=1)
            value = value + 1.5 * (answers * (answers.log() - log_q)).sum(1).mean()
        for part in (new, old):
            part.zero_grad()
        value.backward()
        for part in (new, old) if epoch >= 2 else (new,):
            part.step()
    torch.testing.assert_close(network.state_dict(), reference.state_dict(), rtol=1e-4, atol=1e-5)


def test_lwf_leaves_the_head_of_the_source_as_it_was_given():
    head = nn.Linear(32, 7)
    before = head.weight.detach().clone()
    train(LwF(seed=0, warmup_epochs=0).with_source_head(head)(pretrained(), CLASSES))
    assert torch.equal(head.weight, before)


def test_lwf_needs_the_head_of_the_source():
    assert isinstance(LwF(seed=0), KeepsSourceHead)
    with pytest.raises(InputError, match="none was given"):
        LwF(seed=0)(pretrained(), CLASSES)
    with pytest.raises(InputError, match="its 32 features; the one given takes 31"):
        LwF(seed=0).with_source_head(nn.Linear(31, 7))(pretrained(), CLASSES)
    with pytest.raises(InputError, match=r"temperature .* found 0"):
        LwF(seed=0, temperature=0)
