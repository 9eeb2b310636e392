"""The policy network, its hard decisions with a gradient, and what decides in its place."""

import math

import pytest
import torch
from torch.nn import functional as F

from farfield.backbones.backbone import parameter_count
from farfield.errors import InputError
from farfield.tuning.decisions import decide, image_keys
from farfield.tuning.gumbel import relaxed, straight_through
from farfield.tuning.policy import PolicyNet, PolicyRecord, tuned_probability


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_policy_of_the_decathlon_has_the_published_number_of_parameters():
    assert parameter_count(PolicyNet(12, "resnet26")) == 1_170_616


@pytest.mark.parametrize("kind", ["resnet26", "imagenet"])
def test_a_policy_gives_two_logits_for_each_block_and_starts_near_a_fair_coin(kind):
    torch.manual_seed(0)
    policy = PolicyNet(5, kind, width=16).eval()
    logits = policy(torch.randn(6, 3, 32, 32))
    assert logits.shape == (6, 5, 2)
    assert (tuned_probability(logits) - 0.5).abs().max() < 0.3


@pytest.mark.parametrize("wrong", [{"kind": "vgg"}, {"width": 0}])
def test_an_unknown_policy_is_an_error(wrong):
    with pytest.raises(InputError, match="policy"):
        PolicyNet(5, **wrong)


def test_a_block_is_tuned_with_the_probability_that_its_logits_give():
    logits = torch.tensor([[0.0, 0.0], [1.0, -0.5], [-2.0, 1.0]])
    actions = straight_through(logits.expand(200_000, 3, 2), temperature=5.0, generator=seeded())
    expected = F.softmax(logits, dim=1)[:, 1]
    torch.testing.assert_close(actions.mean(0), expected, atol=4e-3, rtol=0)


def test_the_relaxed_action_is_distributed_as_the_gumbel_softmax_of_torch():
    logits = torch.tensor([0.7, -0.4]).expand(100_000, 2)
    torch.manual_seed(0)
    expected = F.gumbel_softmax(logits, tau=0.8)[:, 1]
    ours = relaxed(logits, 0.8, seeded(1))
    levels = torch.linspace(0.05, 0.95, 19)
    torch.testing.assert_close(ours.quantile(levels), expected.quantile(levels), atol=1e-2, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_actions_are_exactly_zero_or_one_in_any_precision(dtype):
    logits = 5 * torch.randn(300_000, 2, generator=seeded()).to(dtype)
    actions = straight_through(logits, 0.7, seeded(1))
    assert actions.dtype == torch.float32
    assert ((actions == 0) | (actions == 1)).all()


def test_the_temperature_scales_the_gradient_and_leaves_the_decisions():
    logits = torch.randn(1000, 2, generator=seeded(), dtype=torch.float64, requires_grad=True)
    hard = {}
    for temperature in (0.1, 5.0):
        hard[temperature] = straight_through(logits, temperature, seeded(1))
        soft = relaxed(logits, temperature, seeded(1)).detach()
        (gradient,) = torch.autograd.grad(hard[temperature].sum(), logits)
        slope = soft * (1 - soft) / temperature
        torch.testing.assert_close(gradient, torch.stack([-slope, slope], dim=1))
    assert torch.equal(hard[0.1], hard[5.0])
    assert gradient.abs().max() <= 1 / (4 * 5)


def test_the_same_seed_draws_the_same_actions():
    logits = torch.zeros(64, 4, 2)
    torch.manual_seed(3)
    first = straight_through(logits, 5.0)
    torch.manual_seed(3)
    assert torch.equal(first, straight_through(logits, 5.0))
    assert not torch.equal(first, straight_through(logits, 5.0))


def test_the_record_states_entropy_and_tuned_shares_of_an_epoch_and_starts_again():
    record = PolicyRecord(2)
    logits = torch.tensor([[[0.0, 0.0], [0.0, math.log(3)]]])  # P(tuned) of 1/2 and 3/4
    record.add(torch.tensor([[1.0, 1.0]]), logits)
    record.add(torch.tensor([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]), logits.expand(3, 2, 2))
    bits = -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))
    row = record.figures()
    assert row["policy_entropy"] == pytest.approx((1 + bits) / 2, abs=1e-5)
    assert (row["tuned_share"], row["tuned_share_1"], row["tuned_share_2"]) == (0.625, 0.5, 0.75)
    assert record.figures()["tuned_share"] == 0
    # Running means from one half: 0.55, then a tenth of the way to 1/3 and to 2/3.
    torch.testing.assert_close(
        record.usage, torch.tensor([0.55 + (1 / 3 - 0.55) / 10, 0.55 + (2 / 3 - 0.55) / 10])
    )


def test_an_entropy_of_certain_decisions_is_zero():
    record = PolicyRecord(1)
    record.add(torch.ones(1, 1), torch.tensor([[[-400.0, 400.0]]]))
    assert record.figures()["policy_entropy"] == 0


def test_rules_decide_as_they_are_called():
    probabilities = torch.tensor([[0.2, 0.5, 0.9]])
    rules = [("argmax", 1), ("all_tuned", 1), ("all_frozen", 2)]
    actions = decide(rules, probabilities, torch.zeros(1, 3, 4, 4), seed=0)
    assert actions.tolist() == [[[False, False, True]], [[True] * 3], [[False] * 3], [[False] * 3]]


def test_draws_have_the_probability_of_their_rule():
    images = torch.randn(4000, 3, 2, 2, generator=seeded())
    probabilities = torch.tensor([0.1, 0.8]).expand(4000, 2)
    actions = decide([("sampled", 5), ("random", 5)], probabilities, images, seed=0).float()
    torch.testing.assert_close(actions[:5].mean((0, 1)), probabilities[0], atol=0.015, rtol=0)
    torch.testing.assert_close(actions[5:].mean((0, 1)), torch.tensor([0.5, 0.5]), atol=0.015, rtol=0)


def test_a_draw_depends_on_image_and_seed_alone():
    images = torch.randn(20, 3, 4, 4, generator=seeded())
    probabilities = torch.full((20, 6), 0.5)
    few = decide([("sampled", 2)], probabilities, images, seed=0)
    assert torch.equal(few, decide([("sampled", 5)], probabilities, images, seed=0)[:2])
    assert torch.equal(few.flip(1), decide([("sampled", 2)], probabilities, images.flip(0), seed=0))
    assert not torch.equal(few[0], few[1])
    assert not torch.equal(few, decide([("sampled", 2)], probabilities, images, seed=1))


def test_the_key_of_an_image_does_not_hang_on_the_last_bits():
    image = torch.arange(0, 48).view(1, 3, 4, 4) / 37
    other_layout = image.contiguous(memory_format=torch.channels_last)
    assert image_keys(image) == image_keys(other_layout) == image_keys(image * (1 + 1e-7))
    assert image_keys(image) != image_keys(image.flip(3))


def test_an_unknown_rule_is_an_error_that_names_those_there_are():
    with pytest.raises(
        InputError, match="argmax, sampled, all_tuned, all_frozen, random, mean, found 'best'"
    ):
        decide([("best", 1)], torch.zeros(1, 2), torch.zeros(1, 3, 2, 2), seed=0)
