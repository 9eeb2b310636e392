"""What becomes of a search: parts of the data, hard policies, and which tasks come to share."""

from dataclasses import replace

import pytest
import torch
from dense_task import CPU, NETWORK, channels, study
from torch.nn import functional as F

from farfield.errors import InputError
from farfield.sharing.dense import DenseImages
from farfield.sharing.methods.adashare import AdaShare
from farfield.sharing.objective import Objective
from farfield.sharing.policies import distinct, policy_hash, random_policies, sampled_policies
from farfield.sharing.policy import Policy
from farfield.sharing.protocol import FIXED
from farfield.sharing.recipe import DenseRecipe, SearchRecipe
from farfield.sharing.search import search
from farfield.sharing.splitting import split
from farfield.sharing.tasks import make_tasks
from farfield.sharing.training import fit
from farfield.sharing.weighting.fixed import Fixed

BLOCKS = 4


def test_the_parts_of_the_data_are_disjoint_and_drawn_from_the_seed():
    data, _ = study("depth", images=40)
    data = replace(data, rows=data.rows[5:])
    first, second = split(data, 0.8, seed=1)
    assert (len(first), len(second)) == (28, 7)
    assert sorted([*first.rows.tolist(), *second.rows.tolist()]) == data.rows.tolist()
    assert torch.equal(first.rows, split(data, 0.8, seed=1)[0].rows)
    assert not torch.equal(first.rows, split(data, 0.8, seed=2)[0].rows)
    with pytest.raises(InputError, match="one part would have none"):
        split(replace(data, rows=data.rows[:1]), 0.8, seed=1)


def test_sampled_policies_follow_the_probabilities():
    policy = Policy(2, 3)
    with torch.no_grad():
        policy.logits[..., 0] = torch.tensor([[9.0, -9.0, 0.5], [0.5, 9.0, -9.0]])
        policy.logits[..., 1] = torch.tensor([[-9.0, 9.0, 0.5], [0.5, -9.0, 9.0]])
    drawn = torch.stack(sampled_policies(policy, seed=0, count=400)).float()
    torch.testing.assert_close(
        drawn.mean(0), torch.tensor([[1.0, 0.0, 0.5], [0.5, 1.0, 0.0]]), atol=0.08, rtol=0
    )
    assert torch.equal(sampled_policies(policy, 0, 3)[2], sampled_policies(policy, 0, 8)[2])


def test_random_policies_skip_as_much_as_those_they_stand_beside():
    like = [torch.rand(3, 8, generator=torch.Generator().manual_seed(i)) < 0.7 for i in range(20)]
    drawn = random_policies(like, seed=0)
    assert [runs.sum() for runs in drawn] == [runs.sum() for runs in like]
    assert any(not torch.equal(one, other) for one, other in zip(drawn, like, strict=True))
    assert len(distinct(drawn)) > 15


def test_equal_policies_are_trained_once():
    one, other = torch.tensor([[True, False]]), torch.tensor([[True, True]])
    assert list(distinct([other, one, other.clone(), one])) == [policy_hash(other), policy_hash(one)]
    assert policy_hash(one) != policy_hash(one.T)  # two tasks of one block are no task of two


def related(images: int = 48, size: int = 24) -> tuple[DenseImages, Objective]:
    """Squares of random colours: two tasks ask for the product of red and green, one for blue."""
    colours = torch.rand(images, 3, size // 8, size // 8, generator=torch.Generator().manual_seed(0))
    pixels = (255 * F.interpolate(colours, scale_factor=8)).round()
    red, green, blue = (pixels / 128 - 1).unbind(1)
    targets = {"depth": 2 * red * green, "keypoints": 2 * red * green, "edges": blue}
    tasks = make_tasks("scene", [*targets], 1, FIXED)
    packed = pixels.permute(0, 2, 3, 1).to(torch.uint8).contiguous()
    data = DenseImages(packed, targets, torch.arange(images))
    return data, Objective(tasks, dict.fromkeys(tasks, 1.0))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_identical_tasks_come_to_share_more_than_an_unrelated_one(seed):
    data, objective = related()
    settings = replace(NETWORK, width=8, dropout=0.0, seed=seed)
    network, policy = AdaShare(channels(objective), settings), Policy(3, BLOCKS)
    warm_up = DenseRecipe(iterations=40, batch_size=12, head_rate=3e-3, backbone_rate=3e-3, augmentation=None)
    fit(network, data, objective, Fixed(objective, seed), warm_up, seed=seed, device=CPU)
    recipe = SearchRecipe(
        iterations=120,
        batch_size=12,
        weight_steps=4,
        policy_steps=8,
        head_rate=0.01,
        backbone_rate=0.01,
        policy_rate=0.05,
        curriculum_speed=1,
        sparsity=0.0,
        sharing=0.0,  # nothing but the tasks themselves
        temperature_decay=0.9,
        temperature_lowest=0.5,
    )
    search(network, policy, data, objective, recipe, seed=seed, device=CPU)
    depth, keypoints, edges = policy.select.detach()
    identical = (depth - keypoints).abs().mean()
    assert identical < 0.6 * (depth - edges).abs().mean()
    assert identical < 0.6 * (keypoints - edges).abs().mean()
