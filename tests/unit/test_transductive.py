"""Transductive heads against dense solves, loops, scikit-learn, and easyfsl's classes where they are right."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from easyfsl import methods as easyfsl
from sklearn.semi_supervised import LabelSpreading
from torch.nn import functional as F

from farfield.episodes.imbalance import accuracies, dirichlet_queries
from farfield.episodes.sampling import sample_episodes
from farfield.errors import InputError
from farfield.transfer.nearest_centroid import NearestCentroid
from farfield.transfer.transductive import TRANSDUCTIVE, transductive_head
from farfield.transfer.transductive.alpha_tim import AlphaTIM, tsallis
from farfield.transfer.transductive.bd_cspn import BDCSPN, rectified, shift
from farfield.transfer.transductive.evaluation import evaluate, starting
from farfield.transfer.transductive.head import cosines, cosines_to, nearest, soft_means
from farfield.transfer.transductive.label_propagation import LabelPropagation, affinities, propagate
from farfield.transfer.transductive.laplacian_shot import LaplacianShot
from farfield.transfer.transductive.pt_map import PTMAP, sinkhorn

WAY, SHOT, QUERY, DIM = 4, 3, 6, 16
TARGETS = torch.arange(WAY).repeat_interleave(QUERY)
SUPPORT_TARGETS = torch.arange(WAY).repeat_interleave(SHOT)


def episodes(count=3, spread=0.9, seed=0):
    """Features of ReLU's kind: support [E, way, shot, d], query [E, way * query, d] in double precision."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(count, WAY, 1, DIM, generator=generator, dtype=torch.float64)
    support, query = (
        (centres + spread * torch.randn(count, WAY, n, DIM, generator=generator, dtype=torch.float64)).relu()
        for n in (SHOT, QUERY)
    )
    return support, query.flatten(1, 2)


def inductive(support, query):
    """Log-probabilities [E, Q, way] that some classifier starts with."""
    return NearestCentroid()(support, query).div(4).log_softmax(-1)


def loop_neighbours(points, count):
    """For each point the numbers of the others that are nearest, by sorting distances one by one."""
    found = []
    for i, point in enumerate(points):
        others = [j for j in range(len(points)) if j != i]
        found.append(sorted(others, key=lambda j: float(((points[j] - point) ** 2).sum()))[:count])
    return found


def test_neighbours_are_the_nearest_others():
    points = episodes()[1]
    marked = nearest(-torch.cdist(points, points), 5)
    for e in range(len(points)):
        for i, found in enumerate(loop_neighbours(points[e], 5)):
            assert set(marked[e, i].nonzero().flatten().tolist()) == set(found)
    assert nearest(cosines(points[:, :4]), 10).sum() == 3 * 4 * 3


def test_cosines_are_those_of_the_points_themselves():
    support, query = episodes()
    means, move = support.mean(2), shift(support, query)
    torch.testing.assert_close(cosines(query), F.cosine_similarity(query[:, :, None], query[:, None], dim=-1))
    for moved, found in ((query, cosines_to(query, means)), (query + move, cosines_to(query, means, move))):
        torch.testing.assert_close(found, F.cosine_similarity(moved[:, :, None], means[:, None], dim=-1))


# Label propagation


def loop_graph(points, count):
    points = [point / point.norm() for point in points]
    found = loop_neighbours(points, count)
    squares = {
        (i, j): float(((points[i] - points[j]) ** 2).sum()) for i in range(len(points)) for j in found[i]
    }
    scale = np.mean(list(squares.values()))
    weights = np.zeros((len(points), len(points)))
    for (i, j), square in squares.items():
        weights[i, j] += np.exp(-square / (2 * scale)) / 2
        weights[j, i] += np.exp(-square / (2 * scale)) / 2
    return weights


@pytest.mark.parametrize("started", [False, True])
def test_label_propagation_is_a_dense_solve_for_each_episode(started):
    support, query = episodes()
    start = inductive(support, query) if started else None
    scores = LabelPropagation(neighbours=4, alpha=0.6)(support, query, start)
    for e in range(len(support)):
        weights = loop_graph(torch.cat([support[e].flatten(0, 1), query[e]]), 4)
        root = np.diag(weights.sum(1) ** -0.5)
        first = np.eye(WAY)[SUPPORT_TARGETS]
        second = start[e].exp().numpy() if started else np.zeros((len(query[e]), WAY))
        spread = np.linalg.inv(np.eye(len(weights)) - 0.6 * root @ weights @ root) @ np.concatenate(
            [first, second]
        )
        np.testing.assert_allclose(scores[e].exp(), spread[WAY * SHOT :], rtol=1e-9, atol=1e-300)


def test_half_of_the_trust_is_the_geometric_mean_of_the_graph_and_its_start():
    support, query = episodes()
    start = inductive(support, query)
    spread = LabelPropagation(neighbours=4)(support, query, start).softmax(-1)
    scores = LabelPropagation(neighbours=4, trust=0.5)(support, query, start)
    expected = (spread * start.exp()).sqrt()
    torch.testing.assert_close(scores.softmax(-1), expected / expected.sum(-1, keepdim=True))
    alone = LabelPropagation(neighbours=4, trust=0.5)(support, query)
    torch.testing.assert_close(alone, LabelPropagation(neighbours=4)(support, query))


def test_label_propagation_is_label_spreading_on_the_same_graph():
    """scikit-learn iterates to the same point, on the weights that it is given."""
    support, query = episodes()
    scores = LabelPropagation(neighbours=4)(support, query)
    for e in range(len(support)):
        points = torch.cat([support[e].flatten(0, 1), query[e]])
        weights = affinities(points[None], 4)[0].numpy()
        model = LabelSpreading(
            kernel=lambda a, b, weights=weights: weights, alpha=0.5, max_iter=1000, tol=1e-12
        )
        model.fit(points, np.concatenate([SUPPORT_TARGETS, np.full(len(query[e]), -1)]))
        np.testing.assert_allclose(
            scores[e].softmax(-1), model.label_distributions_[WAY * SHOT :], rtol=1e-6, atol=1e-9
        )


def test_propagation_sums_over_walks():
    weights = affinities(episodes(1)[1], 3)
    labels = torch.eye(WAY, dtype=torch.float64).repeat_interleave(QUERY, 0)[None]
    degrees = weights.sum(-1)
    step = 0.3 * weights / (degrees[:, :, None] * degrees[:, None]).sqrt()
    walked, term = labels.clone(), labels
    for _ in range(60):
        term = step @ term
        walked += term
    torch.testing.assert_close(propagate(weights, labels, 0.3), walked)


def test_on_queries_alone_each_class_keeps_the_queries_that_it_is_likeliest_for():
    support, query = episodes()
    start = inductive(support, query)
    scores = LabelPropagation(neighbours=4, points="queries", kept=1 / WAY)(support, query, start)
    for e in range(len(support)):
        first = np.zeros((WAY * QUERY, WAY))
        for k in range(WAY):
            for j in sorted(range(WAY * QUERY), key=lambda j: -float(start[e, j, k]))[:QUERY]:
                first[j, k] = np.exp(float(start[e, j, k]))
        weights = loop_graph(query[e], 4)
        root = np.diag(weights.sum(1) ** -0.5)
        spread = np.linalg.solve(np.eye(len(weights)) - 0.5 * root @ weights @ root, first)
        np.testing.assert_allclose(scores[e].exp(), spread, rtol=1e-9, atol=1e-300)
    with pytest.raises(InputError, match="no label to begin with"):
        LabelPropagation(points="queries")(support, query)


# BD-CSPN


def loop_rectified(support, query, taken, temperature):
    """One episode, image by image."""
    prototypes = []
    for k in range(WAY):
        mean = support[k].mean(0)
        members = [*support[k], *(x for x, j in zip(query, taken, strict=True) if j == k)]
        weights = [np.exp(temperature * float(F.cosine_similarity(x, mean, dim=0))) for x in members]
        prototypes.append(sum(w * x for w, x in zip(weights, members, strict=True)) / sum(weights))
    return torch.stack(prototypes)


@pytest.mark.parametrize("started", [False, True])
def test_bd_cspn_is_a_loop_over_images(started):
    support, query = episodes()
    start = inductive(support, query).roll(1, 1) if started else None
    scores = BDCSPN()(support, query, start)
    for e in range(len(support)):
        moved = query[e] - query[e].mean(0) + support[e].flatten(0, 1).mean(0)
        cosines = F.cosine_similarity(moved[:, None], support[e].mean(1)[None], dim=-1)
        taken = (start[e] if started else cosines).argmax(-1)
        prototypes = loop_rectified(support[e], moved, taken, 10.0)
        expected = F.cosine_similarity(moved[:, None], prototypes[None], dim=-1)
        torch.testing.assert_close(scores[e], expected)


def easy(kind, support, query, **settings):
    """What a class of easyfsl says of one episode, and the object."""
    model = kind(**settings)
    model.process_support_set(support.flatten(0, 1), SUPPORT_TARGETS)
    return model(query), model


def test_prototypes_without_the_factor_10_are_those_of_easyfsl():
    """It weights by exp(cos), and classifies the queries as they were before the shift."""
    support, query = episodes()
    prototypes = rectified(support, query, 1.0, move=shift(support, query))
    for e in range(len(support)):
        scores, model = easy(easyfsl.BDCSPN, support[e], query[e])
        torch.testing.assert_close(prototypes[e], model.prototypes)
        torch.testing.assert_close(F.cosine_similarity(query[e][:, None], prototypes[e], dim=-1), scores)
    assert (rectified(support, query, 10.0) - rectified(support, query, 1.0)).abs().max() > 1e-3


# LaplacianShot


class PlainLaplacianShot(easyfsl.LaplacianShot):
    """easyfsl's from support means, on the graph whose objective its steps bound: every neighbour counts, in both
    directions."""

    def rectify_prototypes(self, query_features):
        pass

    def compute_pairwise_affinities(self, features):
        weights = torch.zeros(len(features), len(features), dtype=features.dtype)
        for i, found in enumerate(loop_neighbours(features, self.knn)):
            for j in found:
                weights[i, j] += 0.5
                weights[j, i] += 0.5
        return weights


def test_laplacian_shot_is_that_of_easyfsl_on_a_symmetric_graph():
    support, query = (F.normalize(x, dim=-1) for x in episodes())
    found = LaplacianShot(rectified=False)(support, query)
    costs = torch.cdist(query, support.mean(2)) ** 2
    for e in range(len(support)):
        scores, _ = easy(PlainLaplacianShot, support[e], query[e], knn=3, lambda_regularization=0.7)
        torch.testing.assert_close(found[e].exp(), scores, atol=1e-4, rtol=0)  # it stops when little changes
    # Given as a start, the same evidence gives the same assignments.
    torch.testing.assert_close(LaplacianShot()(support, query, -costs), found)


def test_laplacian_shot_rectifies_its_prototypes_as_bd_cspn_does():
    support, query = (F.normalize(x, dim=-1) for x in episodes())
    scores = LaplacianShot(weight=0.0)(support, query)
    moved = query + shift(support, query)
    prototypes = rectified(support, moved, 10.0)
    torch.testing.assert_close(scores, (-(torch.cdist(moved, prototypes) ** 2)).log_softmax(-1))


def test_laplacian_shot_ends_where_its_objective_is_lower():
    support, query = (F.normalize(x, dim=-1) for x in episodes())
    near = nearest(cosines(query), 3).double()
    graph = (near + near.mT) / 2
    costs = torch.cdist(query, support.mean(2)) ** 2

    def objective(assigned):
        fit = (assigned.exp() * (costs + assigned)).sum((1, 2))
        return fit - 0.7 / 2 * (assigned.exp() * (graph @ assigned.exp())).sum((1, 2))

    values = [objective(LaplacianShot(rectified=False, steps=n)(support, query)) for n in (0, 1, 3, 20)]
    for before, after in pairwise(values):
        assert (after <= before + 1e-9).all()


# PT-MAP


def test_sinkhorn_gives_rows_and_columns_their_sums():
    scores = torch.randn(2, 21, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    plan = sinkhorn(scores, 200).exp()
    torch.testing.assert_close(plan.sum(1), torch.full((2, 4), 21 / 4, dtype=torch.float64))
    torch.testing.assert_close(plan.sum(2), torch.ones(2, 21, dtype=torch.float64))
    # diag(u) exp(scores) diag(v): what is left without row and column means is that of the scores.
    left = plan.log() - scores
    left = left - left.mean(1, keepdim=True) - left.mean(2, keepdim=True) + left.mean((1, 2), keepdim=True)
    assert left.abs().max() < 1e-9


class Prepared(easyfsl.PTMAP):
    """easyfsl's, with features that are ready: it has no centring, and powers what it is given."""

    def compute_features(self, images):
        return images


def test_pt_map_is_that_of_easyfsl():
    support, query = episodes()
    scores = PTMAP(transport_steps=500)(support, query)
    for e in range(len(support)):
        ready = []
        for x in (support[e].flatten(0, 1), query[e]):
            x = F.normalize((x + 1e-6) ** 0.5, dim=-1)
            ready.append(F.normalize(x - x.mean(0), dim=-1))
        expected, _ = easy(Prepared, ready[0].unflatten(0, (WAY, SHOT)), ready[1])
        torch.testing.assert_close(
            scores[e].exp(), expected, atol=1e-3, rtol=0
        )  # it stops when little changes
        torch.testing.assert_close(scores[e].exp().sum(0), torch.full((WAY,), float(QUERY)).double())


def test_pt_map_without_balance_is_a_loop_of_soft_means():
    support, query = episodes()
    start = inductive(support, query)
    scores = PTMAP(balanced=False, rounds=3)(support, query, start)
    for e in range(len(support)):
        ready = [F.normalize((x + 1e-6).sqrt(), dim=-1) for x in (support[e], query[e])]
        centre = ready[0].flatten(0, 1).mean(0)
        own, asked = (F.normalize(x - centre, dim=-1) for x in ready)
        prototypes, shares = own.mean(1), start[e].exp()
        for _ in range(3):
            for k in range(WAY):
                total = own[k].sum(0) + sum(shares[j, k] * asked[j] for j in range(len(asked)))
                prototypes[k] += 0.2 * (total / (SHOT + shares[:, k].sum()) - prototypes[k])
            shares = (-10 * torch.cdist(asked, prototypes) ** 2).softmax(-1)
        torch.testing.assert_close(scores[e].exp(), shares)


def test_fifty_rounds_of_transport_are_enough_to_classify():
    support, query = episodes(20, spread=1.5)
    few, many = (PTMAP(transport_steps=steps)(support, query).argmax(-1) for steps in (50, 2000))
    assert (few == many).all()


# alpha-TIM


def test_tsallis_at_alpha_1_is_shannon():
    probabilities = torch.tensor([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0]], dtype=torch.float64)
    shannon = tsallis(probabilities, 1.0)
    torch.testing.assert_close(shannon[0], -(probabilities[0] * probabilities[0].log()).sum())
    assert shannon[1] == 0
    torch.testing.assert_close(tsallis(probabilities, 1 + 1e-7), shannon, atol=1e-6, rtol=0)
    torch.testing.assert_close(tsallis(probabilities, 2.0), 1 - probabilities.square().sum(-1))


@pytest.mark.parametrize("started", [False, True])
def test_alpha_tim_is_adam_on_the_written_out_loss_of_each_episode(started):
    """Gradients by hand, from the derivatives of the three terms by the logits, and Adam's equations."""
    support, query = episodes()
    start = inductive(support, query) if started else None
    head = AlphaTIM(steps=12, learning_rate=0.01, alpha=3.0)
    scores = head(support, query, start)
    for e in range(len(support)):
        own, asked = (F.normalize(x, dim=-1).numpy() for x in (support[e].flatten(0, 1), query[e]))
        truth, shares = (
            np.eye(WAY)[SUPPORT_TARGETS],
            start[e].exp().numpy() if started else np.zeros((len(asked), WAY)),
        )
        w = (truth.T @ own + shares.T @ asked) / (SHOT + shares.sum(0))[:, None]
        mean, square = np.zeros_like(w), np.zeros_like(w)

        def logits(x, w):
            return -15 / 2 * ((x[:, None] - w) ** 2).sum(-1)

        def probabilities(x, w):
            scores = np.exp(logits(x, w) - logits(x, w).max(1, keepdims=True))
            return scores / scores.sum(1, keepdims=True)

        for t in range(1, 13):
            p, q = probabilities(own, w), probabilities(asked, w)
            # dH/dp = -alpha p^(alpha - 1) / (alpha - 1), once of each query and once of their mean.
            slope = -1.5 * q**2 / len(q) + 1.5 * q.mean(0) ** 2 / len(q)
            by_query = q * (slope - (slope * q).sum(1, keepdims=True))
            by_support = (p - truth) / len(p)
            gradient = 15 * (by_support.T @ own - by_support.sum(0)[:, None] * w)
            gradient += 15 * (by_query.T @ asked - by_query.sum(0)[:, None] * w)
            mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
            w = w - 0.01 * (mean / (1 - 0.9**t)) / (np.sqrt(square / (1 - 0.999**t)) + 1e-8)
        np.testing.assert_allclose(scores[e], logits(asked, w), rtol=1e-6, atol=1e-6)


class Euclidean(easyfsl.TIM):
    """easyfsl's TIM, with the logits of the paper: minus half the squared distance, by the temperature."""

    def cosine_distance_to_prototypes(self, samples):
        return -((samples[:, None] - self.prototypes) ** 2).sum(-1) / 2


def test_at_alpha_1_it_is_the_tim_of_easyfsl():
    support, query = episodes()
    head = AlphaTIM(alpha=1.0, steps=10, learning_rate=1e-3)
    scores = head(support, query)
    settings = {"fine_tuning_steps": 10, "fine_tuning_lr": 1e-3, "temperature": 15.0}
    for e in range(len(support)):
        own, asked = (F.normalize(x, dim=-1) for x in (support[e], query[e]))
        expected, _ = easy(Euclidean, own, asked, conditional_entropy_weight=1.0, **settings)
        torch.testing.assert_close(scores[e], 15 * expected, atol=1e-6, rtol=1e-6)


# All heads

HEADS = [
    *(pytest.param(name, {"steps": 20} if name == "alpha_tim" else {}, id=name) for name in TRANSDUCTIVE),
    pytest.param("pt_map", {"balanced": False}, id="pt_map without balance"),
]


@pytest.mark.parametrize(("name", "settings"), HEADS)
def test_every_head_answers_each_episode_by_itself_from_any_start_in_any_precision(name, settings):
    support, query = (x.float() for x in episodes(6))
    head = transductive_head(name, settings)
    for start in (None, inductive(support, query)):
        scores = head(support, query, start)
        assert scores.shape == (6, WAY * QUERY, WAY)
        assert scores.isfinite().all()
        assert not scores.requires_grad
        assert (scores.argmax(-1) == TARGETS).double().mean() > 0.6
        for e in range(6):
            one = (support[e : e + 1], query[e : e + 1], None if start is None else start[e : e + 1])
            torch.testing.assert_close(head(*one)[0], scores[e], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("name", "settings"), HEADS)
def test_every_head_sees_the_other_queries(name, settings):
    support, query = episodes()
    head = transductive_head(name, settings)
    few = head(support, query[:, :QUERY])
    assert (few - head(support, query)[:, :QUERY]).abs().max() > 1e-6


@pytest.mark.parametrize(("name", "settings"), HEADS)
def test_features_that_are_all_alike_are_no_error(name, settings):
    support, query = torch.ones(2, WAY, SHOT, DIM), torch.ones(2, 5, DIM)
    assert not transductive_head(name, settings)(support, query).isnan().any()


def test_a_false_balance_costs_what_no_other_head_pays():
    """The prior is worth points while it is true, and costs more when one class is all there is."""
    support, query = episodes(60, spread=1.8, seed=1)
    heads = {balanced: PTMAP(balanced=balanced) for balanced in (True, False)}

    def accuracy(balanced, asked):
        found = heads[balanced](support, query[:, asked]).argmax(-1)
        return (found == TARGETS[asked]).double().mean()

    even, one = slice(None), slice(0, QUERY)
    assert accuracy(True, even) > accuracy(False, even)
    assert accuracy(True, one) < accuracy(False, one) - 0.2


def test_unknown_heads_and_settings_are_named():
    with pytest.raises(InputError, match="no transductive head 'tim'"):
        transductive_head("tim", {})
    with pytest.raises(InputError, match="settings of pt_map"):
        transductive_head("pt_map", {"ballanced": True})


def test_both_kinds_of_queries_are_answered_episode_by_episode():
    features = np.random.default_rng(0).random((80, 8), dtype=np.float32)
    drawn = sample_episodes(np.arange(80) % 5, way=5, shot=3, query=7, episodes=30, seed=0, name="x")
    asked = dirichlet_queries(0, "x", way=5, shot=3, query=7, episodes=30)
    head, learner = LabelPropagation(neighbours=3), NearestCentroid()
    start = starting(learner, features, drawn, torch.device("cpu"))
    table = evaluate(head, start, features, drawn, asked, torch.device("cpu"))
    assert table.columns.tolist() == ["queries", "episode", "accuracy", "predictions"]
    assert table["queries"].tolist() == ["balanced"] * 30 + ["dirichlet"] * 30
    for e in range(30):
        support = torch.from_numpy(features[drawn.support[e]])[None]
        query = torch.from_numpy(features[drawn.query[e]])[None]
        start = learner(support, query).log_softmax(-1)
        for kind, mask in (("balanced", np.full(35, True)), ("dirichlet", asked[e])):
            [own] = table[(table["queries"] == kind) & (table["episode"] == e)].to_dict("records")
            expected = head(support, query[:, mask], start[:, mask])[0].argmax(-1).numpy()
            np.testing.assert_array_equal(own["predictions"], expected)
            right = expected == drawn.query_targets[mask]
            assert own["accuracy"] == pytest.approx(100 * right.mean())


def test_accuracies_count_the_queries_asked():
    asked = np.array([[True, True, False, True], [False, True, True, False]])
    predictions = [np.array([0, 1, 1]), np.array([0, 0])]
    np.testing.assert_allclose(accuracies(predictions, asked, np.array([0, 0, 1, 1])), [200 / 3, 50])


def test_soft_means_of_whole_queries_are_means():
    support, query = episodes(2)
    shares = F.one_hot(TARGETS, WAY).double().expand(2, -1, -1)
    images = torch.cat([support, query.unflatten(1, (WAY, QUERY))], dim=2)
    torch.testing.assert_close(soft_means(support, query, shares), images.mean(2))
