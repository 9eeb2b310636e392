"""Learners on features against plain loops: torch's own SGD, and distances written out."""

import subprocess
import sys
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch.nn import functional as F

from farfield.episodes.evaluation import evaluate
from farfield.episodes.minibatches import minibatch_orders
from farfield.episodes.sampling import sample_episodes
from farfield.errors import InputError
from farfield.transfer.feature_learners import FEATURE_LEARNERS, feature_learner
from farfield.transfer.learner import AllImages, Learner
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


@dataclass(frozen=True)
class NearestImage(Learner[torch.Tensor, torch.Tensor]):
    """A third learner: the way of the nearest support image."""

    seed: int
    sharpness: float = 1.0

    def fit(self, support, first=0):
        return support

    def scores(self, fitted, query):
        distances = torch.cdist(query, fitted.flatten(1, 2)).unflatten(-1, fitted.shape[1:3])
        return -self.sharpness * distances.amin(-1)


class ExportedMean(NearestImage):
    """The same, written as the means of its classes."""

    exportable: ClassVar[bool] = True

    def export(self, images):
        return NearestCentroid().export(images)


@pytest.fixture
def third(monkeypatch):
    """Two learners whose file, this one, is named in the registry and nowhere else."""
    monkeypatch.setitem(FEATURE_LEARNERS.objects, "nearest_image", "third.NearestImage")
    monkeypatch.setitem(FEATURE_LEARNERS.objects, "exported_mean", "third.ExportedMean")
    monkeypatch.setitem(sys.modules, "farfield.transfer.third", sys.modules[__name__])


def test_a_third_learner_answers_and_says_itself_whether_it_is_exported(third):
    labels = torch.arange(6).repeat_interleave(30).numpy()
    features = F.one_hot(torch.from_numpy(labels)).float().numpy()
    episodes = sample_episodes(labels, way=5, shot=5, query=15, episodes=7, seed=0, name="made up")
    learner = feature_learner("nearest_image", 3, {"sharpness": 2.0})
    assert learner == NearestImage(seed=3, sharpness=2.0)
    assert (evaluate(learner, features, episodes, torch.device("cpu"))["accuracy"] == 100).all()
    images = AllImages(lambda: torch.from_numpy(features), labels, 6)
    assert not learner.exportable
    with pytest.raises(InputError, match="NearestImage cannot be written as one network"):
        learner.export(images)
    head, facts = feature_learner("exported_mean", 3, {}).export(images)
    logits = F.linear(torch.from_numpy(features), head.weight, head.bias)
    assert (logits.argmax(1).tolist(), facts) == (labels.tolist(), {})


def test_only_the_module_of_a_name_is_imported(third):
    assert FEATURE_LEARNERS.module("linear_head") == "farfield.transfer.linear_head"
    assert FEATURE_LEARNERS.module("nearest_image") == "farfield.transfer.third"
    script = (
        "import sys; from farfield.transfer.feature_learners import feature_learner as f; "
        "f('nearest_centroid', 0, {}); print('farfield.transfer.linear_head' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
