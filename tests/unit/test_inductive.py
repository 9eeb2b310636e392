"""Heads on blocks of frozen features against scikit-learn and refits written out, one episode at a time."""

import json

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge as PlainRidge

from farfield.backbones import build
from farfield.episodes.evaluation import evaluate
from farfield.episodes.sampling import sample_episodes
from farfield.errors import InputError
from farfield.networks.embedding import feature_columns
from farfield.seeds import stream
from farfield.transfer.blocks import block_columns, over_views, reading, view
from farfield.transfer.feature_learners import feature_learner
from farfield.transfer.gram_logistic import left_out_losses
from farfield.transfer.hyper_ensemble import HyperEnsemble
from farfield.transfer.logistic import Logistic
from farfield.transfer.nearest_centroid import NearestCentroid
from farfield.transfer.readouts.both import HeadAndStages
from farfield.transfer.ridge import PENALTIES, Ridge, fit_ridge

LEARNERS = [Ridge(), Logistic(penalties=(1.0, 10.0)), HyperEnsemble()]


def problem(shot, episodes=3, way=5, query=15, dims=(20, 16, 40)):
    """Blocks whose numbers differ in size a hundredfold."""
    random = stream(0, "inductive", shot)
    support, queries = [], []
    for scale, dim in zip((0.1, 1.0, 10.0), dims, strict=True):
        centres = random.normal(0, 0.7, (episodes, way, 1, dim))
        for found, images in ((support, shot), (queries, query)):
            values = centres + random.normal(0, 1, (episodes, way, images, dim))
            found.append(torch.from_numpy(scale * values.clip(0)).float())
    return support, [block.flatten(1, 2) for block in queries]


def labels(shot, way=5):
    return np.repeat(np.arange(way), shot)


def seen_by_loop(support, queries, normalisation):
    """The points of one episode and its queries, image by image and block by block."""
    points, asked = [], []
    for own, other in zip(support, queries, strict=True):
        own, other = own.flatten(0, 1).double().numpy(), other.double().numpy()
        if normalisation == "root":
            own, other = np.sign(own) * np.abs(own) ** 0.5, np.sign(other) * np.abs(other) ** 0.5
        if normalisation != "raw":
            own, other = (x / np.linalg.norm(x, axis=1)[:, None] for x in (own, other))
        mean = own.mean(0)
        own, other = own - mean, other - mean
        if normalisation == "raw":
            length = np.sqrt((own**2).sum(1).mean())
            own, other = own / length, other / length
        else:
            own, other = (x / np.linalg.norm(x, axis=1)[:, None] for x in (own, other))
        points.append(own)
        asked.append(other)
    own, other = np.hstack(points) / np.sqrt(len(points)), np.hstack(asked) / np.sqrt(len(asked))
    return own - own.mean(0), other - own.mean(0)


@pytest.mark.parametrize("normalisation", ["raw", "unit", "root"])
def test_blocks_are_seen_as_a_loop_over_images_sees_them(normalisation):
    support, queries = problem(shot=5)
    seen, points = view(support, normalisation)
    asked = seen.of(queries)
    for e in range(3):
        own, other = seen_by_loop([b[e] for b in support], [b[e] for b in queries], normalisation)
        np.testing.assert_allclose(points[e].numpy(), own, atol=1e-5)
        np.testing.assert_allclose(asked[e].numpy(), other, atol=1e-5)


@pytest.mark.parametrize("shot", [1, 5, 20])
@pytest.mark.parametrize("normalisation", ["raw", "root"])
@pytest.mark.parametrize("penalty", [0.1, 10.0, 100.0])
def test_logistic_regression_is_that_of_scikit_learn(shot, normalisation, penalty):
    """At 20 shots there are more images than features, so both forms of scikit-learn's problem are met."""
    support, queries = problem(shot)
    found = Logistic(normalisation=normalisation, penalties=(penalty,))(support, queries).log_softmax(-1)
    same = []
    for e in range(3):
        own, other = seen_by_loop([b[e] for b in support], [b[e] for b in queries], normalisation)
        model = LogisticRegression(C=penalty, max_iter=10_000, tol=1e-8).fit(own, labels(shot))
        expected = model.predict_log_proba(other)
        np.testing.assert_allclose(found[e].exp().numpy(), np.exp(expected), atol=5e-3)
        same.append(expected.argmax(1) == found[e].argmax(1).numpy())
    assert np.mean(same) >= 0.99  # 225 queries; one may lie on a border


def test_a_penalty_is_chosen_by_refits_without_an_image_of_each_class():
    support, _ = problem(shot=5)
    penalties = (0.1, 1.0, 10.0, 100.0)
    _, points = view(support, "root")
    truth = torch.eye(5).repeat_interleave(5, 1)
    parts = torch.arange(5).repeat(5)
    losses = left_out_losses(points @ points.mT, truth, penalties, parts, steps=3000, tolerance=1e-6)
    expected = np.zeros((len(penalties), len(points)))
    for p, penalty in enumerate(penalties):
        for e, own in enumerate(points.double().numpy()):
            for part in range(5):
                kept = parts.numpy() != part
                model = LogisticRegression(C=penalty, max_iter=10_000, tol=1e-8)
                model.fit(own[kept], labels(5)[kept])
                expected[p, e] -= model.predict_log_proba(own[~kept])[range(5), range(5)].sum() / 25
    np.testing.assert_allclose(losses.numpy(), expected, rtol=1e-3)
    chosen = Logistic(penalties=penalties).fit(support).penalties
    assert chosen.tolist() == pytest.approx([penalties[p] for p in expected.argmin(0)])
    single, _ = problem(shot=1)
    assert Logistic(penalties=(0.1, 1.0, 10.0)).fit(single).penalties.tolist() == [1.0] * 3


@pytest.mark.parametrize("shot", [1, 5, 20])
def test_ridge_takes_the_penalty_of_the_least_error_of_refits_without_each_image(shot):
    support, queries = problem(shot)
    learner = Ridge()
    fitted = learner.fit(support)
    scores = learner.scores(fitted, queries)
    targets = np.eye(5)[labels(shot)]
    for e in range(3):
        own, other = seen_by_loop([b[e] for b in support], [b[e] for b in queries], "root")
        scale = np.linalg.eigvalsh(own @ own.T).mean()
        errors = []
        for factor in PENALTIES:
            kept = [np.arange(len(own)) != i for i in range(len(own))]
            left_out = [
                PlainRidge(alpha=factor * scale).fit(own[k], targets[k]).predict(own[~k]) - targets[~k]
                for k in kept
            ]
            errors.append(np.square(left_out).sum())
        penalty = PENALTIES[int(np.argmin(errors))] * scale
        assert fitted.penalties[e].item() == pytest.approx(penalty, rel=1e-4)
        expected = PlainRidge(alpha=penalty).fit(own, targets).predict(other)
        np.testing.assert_allclose(scores[e].numpy(), expected, atol=1e-4)


def test_ridge_finds_all_penalties_from_one_decomposition():
    """Its coefficients solve the linear system that they are defined by."""
    support, _ = problem(shot=5)
    _, points = view(support, "unit")
    gram = points.double() @ points.double().mT
    targets = torch.eye(5, dtype=torch.float64).repeat_interleave(5, 0) - 0.2
    coefficients, penalties = fit_ridge(gram, targets)
    system = gram + penalties[:, None, None] * torch.eye(25)
    torch.testing.assert_close(coefficients, torch.linalg.solve(system, targets.expand(3, -1, -1)))


def test_the_ensemble_is_the_mean_of_log_probabilities_of_all_that_could_be_chosen():
    support, queries = problem(shot=5)
    learner = HyperEnsemble(
        layers=("last", "all"), normalisations=("raw", "unit", "root"), penalties=(1.0, 10.0)
    )
    found = learner(support, queries)
    for e in range(3):
        answers = []
        for normalisation in ("raw", "unit", "root"):
            for layers in (slice(-1, None), slice(None)):
                seen = seen_by_loop(
                    [b[e] for b in support[layers]], [b[e] for b in queries[layers]], normalisation
                )
                for penalty in (1.0, 10.0):
                    model = LogisticRegression(C=penalty, max_iter=10_000, tol=1e-8).fit(seen[0], labels(5))
                    answers.append(model.predict_log_proba(seen[1]))
        np.testing.assert_allclose(found[e].numpy(), np.mean(answers, 0), atol=2e-3)


def test_head_and_stages_are_averaged_and_the_first_stages_left_aside():
    support, queries = problem(shot=5)
    logits = torch.from_numpy(stream(0, "head").normal(0, 3, (3, 75, 5))).float()
    first = [torch.rand(3, 5, 5, 7), torch.rand(3, 75, 7)]
    outputs = {
        "head": logits.numpy(),
        "support_stages": torch.cat([first[0], *support], -1).numpy(),
        "query_stages": torch.cat([first[1], *queries], -1).numpy(),
    }
    found = HeadAndStages(stages=3).answer(outputs, (7, 20, 16, 40))
    for e in range(3):
        answers = []
        for normalisation in ("raw", "unit", "root"):
            seen = seen_by_loop([b[e] for b in support], [b[e] for b in queries], normalisation)
            for penalty in (1.0, 10.0, 100.0):
                model = LogisticRegression(C=penalty, max_iter=10_000, tol=1e-8).fit(seen[0], labels(5))
                answers.append(model.predict_log_proba(seen[1]))
        expected = (np.mean(answers, 0) + logits[e].log_softmax(-1).numpy()) / 2
        np.testing.assert_allclose(found[e].numpy(), expected, atol=4e-3)


def test_head_and_stages_of_views_are_averaged_over_the_views_of_a_query():
    support, queries = problem(shot=4)  # two views of two images a class
    logits = torch.from_numpy(stream(0, "head").normal(0, 3, (3, 25, 5))).float()
    given = {
        "head": logits.numpy(),
        "support_stages": torch.cat(support, -1).numpy(),
        "query_stages": torch.cat(queries, -1).numpy(),  # three views of 25 images
    }
    found = HeadAndStages(stages=3).answer(given, (20, 16, 40))
    single = HyperEnsemble().fit(support)
    of_views = [HyperEnsemble().scores(single, [block[:, view::3] for block in queries]) for view in range(3)]
    wanted = (sum(of_views) / 3 + logits.log_softmax(-1)) / 2
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda learner: type(learner).__name__)
def test_an_answer_hangs_on_neither_other_queries_nor_other_episodes(learner):
    support, queries = problem(shot=5)
    whole = learner(support, queries)
    for e in range(3):
        own = [block[e : e + 1] for block in support]
        asked = [block[e : e + 1, 7:9] for block in queries]
        torch.testing.assert_close(learner(own, asked, first=e)[0], whole[e, 7:9], atol=2e-3, rtol=0)


def test_the_last_stages_and_the_features_are_blocks_each_once():
    residual = json.loads(json.dumps(feature_columns(build("resnet10", width=4))))
    assert block_columns(residual, 3) == [(4, 12), (12, 28), (28, 60)]
    assert block_columns(residual, 0) == [(28, 60)]
    lite = feature_columns(build("efficientnet_lite0"))
    assert block_columns(lite, 2) == [lite["stage4"], lite["stage5"], lite["features"]]
    assert block_columns({"features": (0, 7)}, 3) == [(0, 7)]


def test_learners_read_their_own_columns_of_stored_features():
    random = np.random.default_rng(0)
    kinds = np.arange(6).repeat(30)
    columns = {"stage1": (0, 3), "stage2": (3, 9), "stage3": (9, 15), "features": (9, 15)}
    stored = random.normal(0, 1, (180, 15)).astype(np.float32)
    stored[:, 3:9] = np.eye(6)[kinds]  # the second stage alone tells the classes apart
    episodes = sample_episodes(kinds, way=5, shot=5, query=15, episodes=7, seed=0, name="made up")

    def accuracy(learner):
        read, classify = reading(learner, columns)
        return evaluate(classify, stored[:, read], episodes, torch.device("cpu"))["accuracy"].mean()

    assert accuracy(NearestCentroid()) < 60
    assert accuracy(Ridge(stages=1)) < 60
    assert accuracy(Ridge(stages=2)) > 95
    assert accuracy(HyperEnsemble(stages=2)) > accuracy(HyperEnsemble(stages=1)) + 20


def test_settings_that_mean_nothing_are_refused_by_name():
    with pytest.raises(InputError, match=r"logistic.*penalties"):
        feature_learner("logistic", 0, {"penalties": []})
    with pytest.raises(InputError, match=r"ridge.*normalisation"):
        feature_learner("ridge", 0, {"normalisation": "whitened"})


@pytest.mark.parametrize("learner", ["hyper_ensemble", "linear_head"])
def test_views_of_the_support_are_images_and_those_of_a_query_are_averaged(learner):
    """Against one episode after the other, whose views were written out as images."""
    columns = {"stage1": (0, 6), "stage2": (6, 14), "features": (6, 14)}
    random = stream(0, "inductive views")
    support = torch.from_numpy(
        random.normal(0, 1, (3, 4, 2, 3, 14))
    ).float()  # 3 episodes, 4 classes, 2 shots
    support += torch.arange(4.0)[:, None, None, None] * 0.3
    query = torch.from_numpy(random.normal(0, 1, (3, 5, 3, 14))).float()
    settings = {"stages": 2} if learner == "hyper_ensemble" else {}
    read, classify = reading(feature_learner(learner, 0, settings), columns)
    given = over_views(classify)(support[..., read], query[..., read], 0)
    assert given.shape == (3, 5, 4)
    for episode in range(3):
        images = torch.stack([torch.cat([*own]) for own in support[episode]])  # [4, 2 * 3, 14]
        answers = [
            classify(images[None, ..., read], query[episode, :, view][None, ..., read], episode)
            for view in range(3)
        ]
        wanted = sum(answer.log_softmax(-1) for answer in answers) / 3
        torch.testing.assert_close(given[episode], wanted[0], atol=1e-3, rtol=1e-3)
