"""AdaShare's policy: probabilities, mixing shares, keyed noise and samples."""

import math

import pytest
import torch

from farfield.errors import InputError
from farfield.sharing.policy import Policy


def made(tasks: int = 2, blocks: int = 4) -> Policy:
    policy = Policy(tasks, blocks)
    with torch.no_grad():
        policy.logits.copy_(torch.randn(tasks, blocks, 2, generator=torch.Generator().manual_seed(0)))
    return policy


def test_it_starts_even_or_close_to_it_or_with_every_block():
    assert Policy(3, 8).select.eq(0.5).all()
    assert Policy(3, 8).logits.eq(0.5).all()
    random = Policy(3, 8, "random", seed=1)
    assert not random.select.eq(0.5).any()
    torch.testing.assert_close(random.select, torch.full((3, 8), 0.5), rtol=0, atol=2e-3)
    assert torch.equal(random.logits, Policy(3, 8, "random", seed=1).logits)
    assert not torch.equal(random.logits, Policy(3, 8, "random", seed=2).logits)
    chosen = Policy(3, 8, "all_chosen", skip_logit=-4.0)
    torch.testing.assert_close(chosen.select, torch.full((3, 8), 1 / (1 + math.exp(-4))))


def test_select_is_the_softmax_of_the_first_column():
    policy = made()
    torch.testing.assert_close(policy.select, policy.logits.softmax(-1)[..., 0])


@pytest.mark.parametrize("temperature", [5.0, 0.5, 1e-4])
def test_mix_is_the_gumbel_softmax_of_the_open_blocks(temperature):
    policy = made()
    noise = policy.noise(0, "search", 3)
    mix = policy.mix(temperature, 3, noise)
    expected = ((policy.logits.log_softmax(-1) + noise) / temperature).softmax(-1)
    torch.testing.assert_close(mix[:, 1:], expected[:, 1:], rtol=1e-3, atol=1e-5)
    assert torch.equal(mix[:, 0], torch.tensor([1.0, 0.0]).expand(2, 2))
    torch.testing.assert_close(mix.sum(-1), torch.ones(2, 4))
    assert policy.mix(temperature, 3).isfinite().all()


@pytest.mark.parametrize("hard", [False, True])
def test_closed_blocks_get_no_gradient_and_open_ones_do(hard):
    policy = made()
    mix = policy.mix(1.0, 2, policy.noise(0), hard)
    (gradient,) = torch.autograd.grad((mix * torch.randn(2, 4, 2)).sum(), policy.logits)
    assert gradient[:, :2].eq(0).all()
    assert gradient[:, 2:].ne(0).all()


def test_with_no_open_block_all_is_executed():
    assert torch.equal(made().mix(1.0, 0), torch.tensor([1.0, 0.0]).expand(2, 4, 2))


def test_hard_shares_are_exact_and_have_the_gradient_of_the_soft_ones():
    policy = made(3, 16)
    noise, direction = policy.noise(0), torch.randn(3, 16, 2)
    soft, hard = (policy.mix(0.7, 16, noise, hard) for hard in (False, True))
    assert torch.equal(hard, (soft >= 0.5).float())
    assert hard.sum(-1).eq(1).all()
    gradients = [torch.autograd.grad((mix * direction).sum(), policy.logits)[0] for mix in (soft, hard)]
    torch.testing.assert_close(*gradients)
    tie = Policy(1, 1).mix(1.0, 1, hard=True)
    assert tie.tolist() == [[[1.0, 0.0]]]


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(InputError, match="temperature"):
        made().mix(0.0, 4)


def test_noise_is_keyed_and_gumbel():
    policy = Policy(50, 100)
    noise = policy.noise(0, "policy step", 7)
    assert noise.shape == (50, 100, 2)
    assert noise.dtype == torch.float32
    assert torch.equal(noise, policy.noise(0, "policy step", 7))
    assert not torch.equal(noise, policy.noise(0, "policy step", 8))
    assert not torch.equal(noise, policy.noise(1, "policy step", 7))
    assert noise.mean().item() == pytest.approx(0.5772, abs=0.05)
    assert noise.var().item() == pytest.approx(math.pi**2 / 6, rel=0.1)


def test_hard_mixes_and_samples_execute_with_the_probability_of_the_policy():
    policy = made()
    draws = 2000
    with torch.no_grad():
        mixes = [policy.mix(2.0, 4, policy.noise(0, draw), hard=True)[..., 0] for draw in range(draws)]
    samples = [policy.sample(0, draw).float() for draw in range(draws)]
    for drawn in (mixes, samples):
        mean = torch.stack(drawn).mean(0)
        torch.testing.assert_close(mean, policy.select.detach(), rtol=0, atol=4 * 0.5 / draws**0.5)


def test_samples_are_keyed_and_keep_closed_blocks():
    policy = Policy(4, 16)
    sample = policy.sample(3, "sampled", 0)
    assert sample.dtype == torch.bool
    assert sample.shape == (4, 16)
    assert torch.equal(sample, policy.sample(3, "sampled", 0))
    assert not torch.equal(sample, policy.sample(3, "sampled", 1))
    some = policy.sample(3, "sampled", 0, opened=5)
    assert some[:, :11].all()
    assert torch.equal(some[:, 11:], sample[:, 11:])


def test_most_likely_runs_at_an_even_chance():
    policy = Policy(1, 3)
    with torch.no_grad():
        policy.logits[0, 0] = torch.tensor([0.0, 1.0])
        policy.logits[0, 2] = torch.tensor([2.0, 1.0])
    assert policy.most_likely().tolist() == [[False, True, True]]
    assert policy.most_likely(opened=2).tolist() == [[True, True, True]]


def test_more_open_blocks_than_there_are_is_an_error():
    with pytest.raises(ValueError, match="5 opened blocks of 4"):
        made().mix(1.0, 5)


@pytest.mark.parametrize("arguments", [(0, 4), (2, 0), (2, 4, "zeros")])
def test_impossible_policies_are_refused(arguments):
    with pytest.raises(InputError, match="policy"):
        Policy(*arguments)
