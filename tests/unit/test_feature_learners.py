"""Learners on features against plain loops: torch's own SGD, and distances written out."""

import pytest
import torch
from torch.nn import functional as F

from farfield.episodes.evaluation import evaluate
from farfield.episodes.minibatches import minibatch_orders
from farfield.episodes.sampling import sample_episodes
from farfield.errors import InputError
from farfield.transfer.feature_learners import feature_learner
from farfield.transfer.linear_head import LinearHead, initial_heads
from farfield.transfer.nearest_centroid import NearestCentroid


def problem(episodes=3, way=5, shot=5, query=15, dim=64):
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(episodes, way, 1, dim, generator=generator)
    support = (centres + torch.randn(episodes, way, shot, dim, generator=generator)).relu()
    queries = (centres + torch.randn(episodes, way, query, dim, generator=generator)).relu()
    return support, queries.flatten(1, 2)


def serial_linear_head(head, support, query, episode):
    """The released loop of BSCD-FSL: torch.nn.Linear and torch.optim.SGD, one minibatch at a time."""
    way, shot, dim = support.shape
    weight, bias = initial_heads(head.seed, 1, way, dim, episode)
    layer = torch.nn.Linear(dim, way)
    layer.weight.data, layer.bias.data = weight[0].clone(), bias[0, 0].clone()
    optimizer = torch.optim.SGD(
        layer.parameters(),
        lr=head.learning_rate,
        momentum=head.momentum,
        dampening=head.dampening,
        weight_decay=head.weight_decay,
    )
    points, targets = support.flatten(0, 1), torch.arange(way).repeat_interleave(shot)
    order = minibatch_orders(head.seed, 1, head.epochs, way * shot, episode)[0]
    for epoch in torch.from_numpy(order):
        for batch in epoch.split(head.batch_size):
            optimizer.zero_grad()
            F.cross_entropy(layer(points[batch]), targets[batch]).backward()
            optimizer.step()
    return layer(query).detach()


@pytest.mark.parametrize("shot", [1, 5, 20])
@pytest.mark.parametrize(
    "changes", [{}, {"momentum": 0.5, "dampening": 0.0}, {"weight_decay": 0.1}, {"momentum": 0.0}]
)
def test_batched_linear_heads_follow_torch_sgd_step_by_step(shot, changes):
    support, query = problem(shot=shot)
    head = LinearHead(seed=7, epochs=30, **changes)
    logits = head(support, query)
    for episode in range(len(support)):
        expected = serial_linear_head(head, support[episode], query[episode], episode)
        torch.testing.assert_close(logits[episode], expected, atol=1e-4, rtol=0)


def test_linear_heads_do_not_depend_on_how_episodes_are_grouped():
    support, query = problem(episodes=4)
    head = LinearHead(seed=7, epochs=10)
    apart = torch.cat([head(support[i : i + 1], query[i : i + 1], first=i) for i in range(4)])
    torch.testing.assert_close(head(support, query), apart, atol=1e-5, rtol=0)


def test_initial_heads_have_the_range_of_torch_linear():
    weight, bias = initial_heads(0, episodes=50, way=5, dim=100)
    assert weight.shape == (50, 5, 100)
    assert 0.099 < weight.abs().max() <= 0.1
    assert bias.abs().max() <= 0.1


def test_centroid_logits_are_minus_squared_distances_to_class_means():
    support, query = problem()
    logits = NearestCentroid()(support, query)
    for e in range(3):
        for q in range(75):
            for way in range(5):
                distance = ((query[e, q] - support[e, way].mean(0)) ** 2).sum()
                assert logits[e, q, way].item() == pytest.approx(-distance.item(), rel=1e-4)


def test_cosine_centroid_ignores_the_length_of_features():
    support, query = problem()
    learner = NearestCentroid(distance="cosine")
    torch.testing.assert_close(learner(support, query), learner(support, 7 * query))
    expected = F.cosine_similarity(query[0, 3], support[0].mean(1), dim=-1)
    torch.testing.assert_close(learner(support, query)[0, 3], expected)


def test_evaluation_counts_right_queries_whatever_the_chunk(monkeypatch):
    labels = torch.arange(6).repeat_interleave(30).numpy()
    features = F.one_hot(torch.from_numpy(labels)).float().numpy()
    episodes = sample_episodes(labels, way=5, shot=5, query=15, episodes=7, seed=0, name="made up")
    learner = NearestCentroid()
    whole = evaluate(learner, features, episodes, torch.device("cpu"))
    assert (whole["accuracy"] == 100).all()
    assert whole["predictions"][0].tolist() == episodes.query_targets.tolist()
    monkeypatch.setattr("farfield.episodes.evaluation.CHUNK_BYTES", 1)
    assert evaluate(learner, features, episodes, torch.device("cpu")).equals(whole)


def test_unknown_learners_and_settings_are_named():
    with pytest.raises(InputError, match=r"no learner 'svm'.*linear_head"):
        feature_learner("svm", 0, {})
    with pytest.raises(InputError, match=r"linear_head.*epoch"):
        feature_learner("linear_head", 0, {"epoch": 3})
