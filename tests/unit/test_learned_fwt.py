"""Learning the feature-wise transformation against finite differences and plain steps."""

import copy

import pytest
import torch

from farfield.backbones import build
from farfield.errors import InputError
from farfield.metalearning import meta_learner
from farfield.metalearning.fwt import (
    enable_transform,
    feature_wise_transform,
    own_parameters,
    seed_noise,
    transform_parameters,
    transformed_layers,
)
from farfield.metalearning.learned_fwt import learning_to_learn_step
from farfield.metalearning.protonet import ProtoNet

# The inner rate is large, so that the unseen loss does depend on theta.
RATE = 0.05
SEED = 11


def episode(seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    support = torch.randn(2, 3, 2, 3, 32, 32, generator=generator, dtype=dtype)
    return support, torch.randn(2, 9, 3, 32, 32, generator=generator, dtype=dtype)


SEEN, UNSEEN = episode(1), episode(2)


def learner_with_theta(name="protonet", backbone="conv4", dtype=torch.float64):
    torch.manual_seed(0)
    network = build(backbone, width=3, image_size=32)
    feature_wise_transform(network, gamma=0.02, beta=0.01, learned=True)  # where softplus is curved
    learner = meta_learner(name, network, 3, {}).to(dtype)
    seed_noise(learner, SEED)
    return learner


def unseen_loss_after_a_plain_step(learner, statistics):
    """The same quantity by ordinary means: backward, torch's SGD on the weights, then evaluation."""
    learner = copy.deepcopy(learner)
    seed_noise(learner, SEED)
    learner.train().loss(*SEEN)[0].backward()
    torch.optim.SGD(own_parameters(learner).values(), lr=RATE).step()
    learner.load_state_dict(statistics, strict=False)  # those that the step takes as constants
    with torch.no_grad():
        return learner.eval().loss(*UNSEEN)[0].item()


def test_theta_follows_the_finite_difference_of_the_unseen_loss():
    start, learner = learner_with_theta(), learner_with_theta()
    thetas = transform_parameters(learner)
    before = {name: theta.detach().clone() for name, theta in thetas.items()}
    _, unseen = learning_to_learn_step(
        learner,
        torch.optim.SGD(own_parameters(learner).values(), lr=1.0),
        torch.optim.SGD(thetas.values(), lr=1.0),
        SEEN,
        UNSEEN,
        inner_rate=RATE,
    )
    statistics = {name: b for name, b in learner.named_buffers() if "running" in name}
    assert unseen.item() == pytest.approx(unseen_loss_after_a_plain_step(start, statistics), rel=1e-9)
    for name, theta in transform_parameters(start).items():
        gradient = before[name] - thetas[name].detach()
        assert gradient.abs().max() > 1e-5
        for channel in range(3):
            losses = []
            for change in (1e-6, -2e-6):
                theta.data[channel] += change
                losses.append(unseen_loss_after_a_plain_step(start, statistics))
            theta.data[channel] += 1e-6
            slope = (losses[0] - losses[1]) / 2e-6
            assert gradient[channel].item() == pytest.approx(slope, rel=1e-3, abs=1e-7)


@pytest.mark.parametrize("name", ["protonet", "matchingnet", "relationnet"])
def test_the_learners_own_update_is_a_plain_step(name):
    learner, plain = (learner_with_theta(name, "resnet10", torch.float32) for _ in range(2))
    seen, unseen = episode(1, torch.float32), episode(2, torch.float32)
    losses = learning_to_learn_step(
        learner,
        torch.optim.Adam(own_parameters(learner).values(), lr=1e-3),
        torch.optim.Adam(transform_parameters(learner).values(), lr=1e-3, weight_decay=1e-8),
        seen,
        unseen,
    )
    loss = plain.train().loss(*seen)[0]
    loss.backward()
    thetas = {name: theta.detach().clone() for name, theta in transform_parameters(plain).items()}
    torch.optim.Adam(own_parameters(plain).values(), lr=1e-3).step()
    assert losses[0].item() == pytest.approx(loss.item(), rel=1e-6)
    torch.testing.assert_close(own_parameters(learner), own_parameters(plain))
    torch.testing.assert_close(dict(learner.named_buffers()), dict(plain.named_buffers()))
    moved = transform_parameters(learner)
    assert all((moved[name] - theta).abs().max() > 1e-4 for name, theta in thetas.items())
    assert learner.training
    assert all(layer.training and layer.enabled for layer in transformed_layers(learner))
    assert all(p.grad is None for p in learner.parameters())


def test_the_unseen_loss_is_free_of_noise_for_learners_that_normalise_by_the_batch():
    class ByBatch(ProtoNet):
        def train(self, mode=True):
            super().train(mode)
            self.backbone.train()
            return self

    learner = ByBatch(learner_with_theta().backbone, 3)
    quiet = copy.deepcopy(learner)
    optimizers = [
        torch.optim.SGD(p.values(), lr=0.0) for p in (own_parameters(learner), transform_parameters(learner))
    ]
    unseen = learning_to_learn_step(learner, *optimizers, SEEN, UNSEEN, inner_rate=0.0)[1]
    enable_transform(quiet, False)
    torch.testing.assert_close(unseen, quiet.eval().loss(*UNSEEN)[0].detach())


def test_constants_cannot_be_learned():
    network = build("conv4", width=3, image_size=32)
    feature_wise_transform(network)
    learner = meta_learner("protonet", network, 3, {})
    optimizer = torch.optim.SGD(learner.parameters(), lr=1.0)
    with pytest.raises(InputError, match="learned=True"):
        learning_to_learn_step(learner, optimizer, optimizer, SEEN, UNSEEN)
