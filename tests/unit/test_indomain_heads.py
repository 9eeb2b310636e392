"""Heads of the in-domain table on features that are given, against computations written out."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from farfield.backbones import build
from farfield.backbones.backbone import parameter_count
from farfield.errors import InputError
from farfield.metalearning import meta_learner
from farfield.metalearning.learner import EmbeddingLearner
from farfield.metalearning.metaopt_ridge import ridge_regression
from farfield.metalearning.tpn import Width, graph, similarities

WAY, SHOT, QUERIES, DIM = 3, 2, 4, 6
SETTINGS = {
    "weight_generator": {"classes": 7, "novel": 3},
    "parameter_predictor": {"classes": 7},
    "leo": {"latent": 4},
    "snail": {"filters": 8, "longest_shot": 2},
    "r2d2": {"scale": 10.0},
}
# What permuting ways, the support of a class, and queries does to a head.
EQUIVARIANT = ["protonet", "r2d2", "metaopt_ridge", "metaopt_svm", "parameter_predictor", "weight_generator"]
EQUIVARIANT += ["leo", "meta_baseline", "rfs", "reconstruction"]
ALL = [*EQUIVARIANT, "snail"]


def head(name, dim=DIM, way=WAY, **settings):
    torch.manual_seed(0)
    backbone = build("features", width=dim)
    learner = meta_learner(name, backbone, way, SETTINGS.get(name, {}) | settings)
    return learner.double().eval()


def vectors(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def episode(episodes=2, way=WAY, shot=SHOT, queries=WAY * QUERIES, dim=DIM):
    return vectors(episodes, way, shot, dim), vectors(episodes, queries, dim, seed=1)


def relative_error(found, expected):
    return float(((found - expected).abs().max() / expected.abs().max()).detach())


def clouds(episodes=2, apart=10.0, way=5, shot=1, queries=15, dim=32):
    """Classes whose means are `apart` deviations from each other; positive, as features after a ReLU are."""
    means = torch.eye(way, dim, dtype=torch.float64) * apart / math.sqrt(2) + 5
    support = means[None, :, None] + vectors(episodes, way, shot, dim)
    query = means[None, :, None] + vectors(episodes, way, queries, dim, seed=1)
    return support, query.flatten(1, 2)


@pytest.mark.parametrize("name", EQUIVARIANT)
def test_ways_permute_the_logits_and_the_order_of_the_support_does_not_matter(name):
    learner = head(name)
    support, query = episode()
    plain = learner(support, query).detach()
    ways = torch.tensor([2, 0, 1])
    torch.testing.assert_close(
        learner(support[:, ways], query).detach(), plain[..., ways], atol=1e-5, rtol=1e-5
    )
    torch.testing.assert_close(learner(support.flip(2), query).detach(), plain, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_queries_are_answered_one_by_one_and_episodes_apart(name):
    learner = head(name)
    support, query = episode()
    plain = learner(support, query).detach()
    alone = torch.cat([learner(support[1:], query[1:, i : i + 1]).detach() for i in range(query.shape[1])], 1)
    torch.testing.assert_close(alone, plain[1:], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["protonet", "meta_baseline", "metaopt_ridge", "metaopt_svm", "rfs", "r2d2"])
def test_well_separated_clouds_are_told_apart_untrained(name):
    support, query = clouds()
    found = head(name, dim=32, way=5)(support, query).argmax(-1)
    assert (found == torch.arange(5).repeat_interleave(15)).double().mean() > 0.99


def test_nearest_means_of_gaussians_are_as_good_as_computed():
    """d = 64, distance 4, one shot: 41.5 % of five."""
    means = torch.eye(5, 64, dtype=torch.float64) * 4 / math.sqrt(2)
    support = means[None, :, None] + vectors(800, 5, 1, 64)
    query = (means[None, :, None] + vectors(800, 5, 15, 64, seed=1)).flatten(1, 2)
    found = head("protonet", dim=64, way=5)(support, query).argmax(-1)
    assert 100 * float((found == torch.arange(5).repeat_interleave(15)).double().mean()) == pytest.approx(
        41.5, abs=1.0
    )


def test_ridge_is_the_same_from_both_sides_and_its_gradient_that_of_finite_differences():
    points, targets = vectors(1, 25, 128), vectors(1, 25, 5, seed=1)
    dual = ridge_regression(points, targets, 3.0)
    eye = torch.eye(128, dtype=torch.float64)
    primal = torch.linalg.solve(points.mT @ points + 3.0 * eye, points.mT @ targets)
    assert relative_error(dual, primal) < 1e-12
    small = vectors(1, 4, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: ridge_regression(x, vectors(1, 4, 2, seed=1), 0.5), small)


def test_r2d2_is_ridge_with_n_times_the_penalty_on_data_as_they_are():
    learner = head("r2d2", regularisation=7.0, scale=2.0)
    support, query = episode(1)
    points = F.pad(support[0].flatten(0, 1), (0, 1), value=1.0)
    labels = torch.eye(WAY, dtype=torch.float64).repeat_interleave(SHOT, 0)
    system = points.T @ points + 7.0 * len(points) * torch.eye(DIM + 1, dtype=torch.float64)
    weights = torch.linalg.solve(system, points.T @ labels)
    expected = 2.0 * F.pad(query[0], (0, 1), value=1.0) @ weights
    assert relative_error(learner(support, query)[0], expected) < 1e-6  # log 7 is kept in single precision


def test_the_published_ridge_head_is_twice_ridge_regression_with_50():
    support, query = episode(1)
    points = support[0].flatten(0, 1)
    gram = points @ points.T + 50 * torch.eye(len(points), dtype=torch.float64)
    labels = torch.eye(WAY, dtype=torch.float64).repeat_interleave(SHOT, 0)
    expected = 2 * query[0] @ points.T @ torch.linalg.solve(gram, labels)
    assert relative_error(head("metaopt_ridge")(support, query)[0], expected) < 1e-12


def test_an_orthonormal_support_gives_the_machine_s_known_coefficients():
    support = torch.eye(5, 8, dtype=torch.float64)[None, :, None]
    found = head("metaopt_svm", dim=8, way=5)(support, support[:, :, 0])[0]
    expected = torch.full((5, 5), -0.025, dtype=torch.float64).fill_diagonal_(0.1)
    torch.testing.assert_close(found.detach(), expected, atol=1e-6, rtol=0)


def test_logistic_regression_is_scikit_learn_s():
    from sklearn.linear_model import LogisticRegression

    support, query = episode(1, shot=5)
    units, asked = (F.normalize(one, dim=-1).numpy() for one in (support[0].flatten(0, 1), query[0]))
    generic = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000).fit(units, np.repeat(np.arange(WAY), 5))
    found = head("rfs")(support, query)[0].softmax(-1).numpy()
    np.testing.assert_allclose(found, generic.predict_proba(asked), atol=2e-4)


def test_reconstruction_by_either_form_of_the_hat_matrix_and_of_what_it_spans():
    learner = head("reconstruction")
    support, query = vectors(1, WAY, SHOT, 4, DIM), vectors(1, 5, 4, DIM, seed=1)
    found = learner.classify(support, query)[0].detach()
    for way in range(WAY):
        maps = support[0, way].flatten(0, 1)
        penalty = SHOT * 4 / DIM
        inner = torch.linalg.inv(maps.T @ maps + penalty * torch.eye(DIM, dtype=torch.float64))
        for q in range(5):
            again = query[0, q] @ inner @ maps.T @ maps
            assert float(found[q, way]) == pytest.approx(
                -float((again - query[0, q]).square().sum(1).mean()), rel=1e-9
            )
    learner.log_penalty.data.fill_(-40.0)  # no penalty, and 8 vectors span 6 dimensions
    assert learner.classify(support, query).abs().max() < 1e-8


# TPN


def test_propagation_is_the_limit_of_the_iteration_and_has_the_known_eigenvector():
    points = vectors(1, 12, DIM)
    similar = graph(similarities(points), 5)[0]
    labels = torch.zeros(12, WAY, dtype=torch.float64)
    labels[:WAY] = torch.eye(WAY, dtype=torch.float64)
    solved = torch.linalg.solve(torch.eye(12, dtype=torch.float64) - 0.99 * similar, labels)
    walked = labels
    for _ in range(4000):
        walked = 0.99 * similar @ walked + 0.01 * labels
    assert relative_error(walked, 0.01 * solved) < 1e-10
    weights = similarities(points)[0]
    near = weights.topk(5).indices
    kept = torch.zeros(12, 12, dtype=torch.bool).scatter(1, near, True)
    root = (weights * (kept | kept.T)).sum(1).sqrt()
    assert relative_error(similar @ root, root) < 1e-12


def test_an_image_is_like_itself_however_small_its_width_is():
    """Nothing keeps widths from zero; in single precision such a point seemed apart from itself: nan."""
    learner, _, _ = tpn()
    support, query = 1e7 * vectors(2, WAY, 1, DIM).float(), 1e7 * vectors(2, 6, DIM, seed=1).float()
    similar = similarities(torch.cat([support[:, :, 0], query], 1))
    assert (similar.diagonal(dim1=1, dim2=2) == 1).all()
    assert learner.propagated(support, query).isfinite().all()


def test_scores_solve_the_linear_system_of_the_paper():
    learner, _, _ = tpn()
    support, query = vectors(2, WAY, 1, DIM), vectors(2, 6, DIM, seed=1)
    points = torch.cat([support[:, :, 0], query], 1)
    system = torch.eye(9, dtype=torch.float64) - 0.99 * graph(similarities(points), 20)
    labels = torch.eye(9, WAY, dtype=torch.float64)
    assert (
        relative_error(learner.propagated(support, query).detach(), torch.linalg.inv(system) @ labels) < 1e-10
    )
    single = learner.propagated(support.float(), query.float()).double().detach()
    assert relative_error(single, torch.linalg.inv(system) @ labels) < 1e-4


@pytest.mark.parametrize("seed", range(4))
def test_labels_reach_queries_before_anything_is_learned(seed):
    """A width near zero sets every image apart from all others, and no gradient comes back."""
    torch.manual_seed(seed)
    learner = meta_learner("tpn", build("conv4", width=16, image_size=64), WAY, {})
    points = learner.embed(torch.randn(30, 3, 64, 64))[None]
    others = similarities(points)[0].fill_diagonal_(0.0)
    assert others.amax(1).min() > 1e-4


@pytest.mark.parametrize("backbone", ["resnet12", "resnet12_even", "r2d2", "resnet10"])
def test_tpn_learns_with_networks_that_average_their_last_map_or_do_not(backbone):
    torch.manual_seed(0)
    learner = meta_learner("tpn", build(backbone, width=8, image_size=84), WAY, {})
    loss, scores = learner.loss(torch.randn(1, WAY, 1, 3, 84, 84), torch.randn(1, 2 * WAY, 3, 84, 84))
    loss.backward()
    assert scores.shape == (1, 2 * WAY, WAY)
    assert all(
        weight.grad is not None and weight.grad.abs().sum() > 0
        for name, weight in learner.named_parameters()
        if name.startswith("backbone") and weight.ndim == 4
    )


def tpn(queries=6, neighbours=20):
    torch.manual_seed(0)
    learner = meta_learner("tpn", build("conv4", width=4, image_size=32), WAY, {"neighbours": neighbours})
    return learner.double().eval(), vectors(1, WAY, 1, 3, 32, 32), vectors(1, queries, 3, 32, 32, seed=1)


def test_tpn_is_transductive_and_permutes_with_its_queries():
    learner, support, query = tpn()
    plain = learner(support, query).detach()
    turned = torch.tensor([3, 1, 0, 5, 4, 2])
    torch.testing.assert_close(learner(support, query[:, turned]).detach(), plain[:, turned])
    assert learner.transductive
    assert not torch.allclose(learner(support, query[:, :3]).detach(), plain[:, :3], rtol=1e-3)


def test_two_clusters_with_one_label_each_are_told_apart():
    support = torch.tensor([0.0, 100.0], dtype=torch.float64).view(1, 2, 1, 1).expand(1, 2, 1, 3)
    query = torch.cat([support[:, :, 0] + 0.1 * k for k in range(6)], dim=1)
    learner, _, _ = tpn(neighbours=4)
    assert learner.classify(support, query).argmax(-1).tolist() == [[0, 1] * 6]


def test_parameters_of_the_width_network():
    assert parameter_count(Width(64, 1600)) == 37_684


# SNAIL


def test_snail_sees_no_later_position_and_no_label_of_a_query():
    learner = head("snail")
    support, query = episode(1)
    sequences = learner.sequences(support, query)
    assert not sequences[:, -1, DIM:].any()
    plain = learner.layers(sequences)
    later = sequences.clone()
    later[:, 4:] = vectors(*later[:, 4:].shape, seed=3)
    assert torch.equal(learner.layers(later)[:, :4], plain[:, :4])
    assert not torch.equal(learner.layers(later)[:, 4:], plain[:, 4:])


@pytest.mark.parametrize(("dilations", "offsets"), [((1, 2, 4), range(8)), ((2, 4, 8), range(0, 16, 2))])
def test_dilations_reach_every_offset_or_the_even_ones(dilations, offsets):
    from farfield.metalearning.snail import DenseBlock

    torch.manual_seed(0)
    size, layers = 2, []
    for dilation in dilations:
        layers.append(DenseBlock(size, dilation, 2).double())
        size += 2
    blocks = torch.nn.Sequential(*layers)
    x = vectors(1, 20, 2).requires_grad_()
    (gradient,) = torch.autograd.grad(blocks(x)[0, -1].sum(), x)
    assert (gradient[0].abs().sum(-1) > 0).nonzero().flatten().tolist() == sorted(19 - k for k in offsets)


def test_snail_without_attention_and_convolution_is_its_last_layer_on_the_query():
    learner = head("snail")
    for layer in learner.layers:
        for name, parameter in layer.named_parameters():
            if not name.startswith(("query", "key")):
                torch.nn.init.zeros_(parameter)
    support, query = episode(1)
    inputs = torch.zeros(len(query[0]), learner.last.in_features, dtype=torch.float64)
    inputs[:, :DIM] = query[0]
    # tanh(0) sigmoid(0) and reads of values zero are zero
    torch.testing.assert_close(learner(support, query)[0], learner.last(inputs))


def test_published_sizes_of_snail():
    with torch.device("meta"):
        backbone = build("features", width=384)
        heads = [meta_learner("snail", backbone, 5, {"longest_shot": shot}) for shot in (1, 5)]
    assert [round(parameter_count(one) / 1e6, 2) for one in heads] == [4.75, 8.53]


# Dynamic few-shot


def test_the_generator_without_attention_averages_normalised_features():
    learner = head("weight_generator")
    torch.nn.init.zeros_(learner.phi_att)
    support, query = episode()
    means = F.normalize(support, dim=-1).mean(2)
    expected = 10 * F.normalize(query, dim=-1) @ F.normalize(means, dim=-1).mT
    torch.testing.assert_close(learner(support, query), expected)


def test_blind_attention_reads_the_mean_of_the_memory_and_not_of_what_has_left_it():
    learner = head("weight_generator")
    torch.nn.init.zeros_(learner.gamma)
    torch.nn.init.zeros_(learner.phi_avg)
    support, _ = episode()
    weights = F.normalize(learner.weights, dim=-1)
    torch.testing.assert_close(learner.generated(support), weights.mean(0).expand(len(support), WAY, -1))
    absent = torch.tensor([[0, 1, 2], [4, 5, 6]])
    found = learner.generated(support, absent)
    torch.testing.assert_close(found[0], weights[3:].mean(0).expand(WAY, -1))
    torch.testing.assert_close(found[1], weights[:4].mean(0).expand(WAY, -1))


def test_the_loss_of_the_generator_is_over_all_base_classes_written_out():
    learner = head("weight_generator")
    support, query = vectors(1, 4, SHOT, DIM), vectors(1, 8, DIM, seed=1)
    classes = torch.tensor([[5, 0, 3, 6]])  # three play new ones, and the queries of class 6 are base queries
    loss, logits = learner.task_loss(support, query, classes)
    made = learner.generated(support[:, :3], classes[:, :3])[0]
    weights = [*learner.weights]
    for place, label in enumerate((5, 0, 3)):
        weights[label] = made[place]
    total = torch.zeros((), dtype=torch.float64)
    for i, label in enumerate((5, 5, 0, 0, 3, 3, 6, 6)):
        scores = torch.stack([10 * F.cosine_similarity(query[0, i], weight, dim=0) for weight in weights])
        total = total - scores.log_softmax(0)[label] / 8
    torch.testing.assert_close(loss, total)
    assert logits.shape == (1, 6, 3)


def test_base_weights_start_as_the_means_of_normalised_features():
    learner = head("weight_generator")
    features, labels = vectors(14, DIM), torch.arange(7).repeat(2)
    learner.prepare(features, labels)
    units = F.normalize(features, dim=-1)
    torch.testing.assert_close(
        learner.weights.data, torch.stack([units[labels == k].mean(0) for k in range(7)])
    )


# Act2Param


def test_the_untrained_predictor_is_the_nearest_mean_by_cosine():
    learner = head("parameter_predictor")
    support, query = (one.abs() for one in episode(50))
    torch.testing.assert_close(learner.weights(support), F.normalize(support, dim=-1))
    found = learner(support, query).argmax(-1)
    cosine = F.normalize(query, dim=-1) @ F.normalize(support.mean(2), dim=-1).mT
    assert torch.equal(found, cosine.argmax(-1))
    torch.nn.init.normal_(learner.first.weight)
    torch.testing.assert_close(learner.weights(support).norm(dim=-1), torch.ones(50, WAY, SHOT).double())


@pytest.mark.parametrize(("single", "means"), [(1.0, False), (0.0, True)])
def test_statistics_are_one_activation_or_the_mean_of_the_class(single, means):
    learner = head("parameter_predictor", single=single)
    features, labels = vectors(14, DIM), torch.arange(7).repeat(2)
    learner.prepare(features, labels)
    support, query = episode(1)
    classes = torch.tensor([[4, 0, 6]])
    _, logits = learner.task_loss(support, query, classes)
    own = torch.stack([features[labels == k].mean(0) for k in (4, 0, 6)])
    expected = query[0] @ learner.weights(own if means else support[0, :, 0]).T
    torch.testing.assert_close(logits[0], expected)


def test_parameters_of_the_published_predictors():
    for dim, expected in ((640, 820_480), (64, 8_320)):
        assert parameter_count(head("parameter_predictor", dim=dim)) == expected


# LEO


def test_leo_without_inner_steps_is_its_decoder():
    learner = head("leo", steps=0, weight_steps=0)
    support, query = episode()
    units = F.normalize(support, dim=-1)
    mean, _ = learner.encoded(units)
    weights, _ = learner.decoded(mean, WAY)
    expected = F.normalize(query, dim=-1) @ weights[:, :, 0].mT  # the mean over equal copies is any of them
    torch.testing.assert_close(learner(support, query), expected)


def test_a_latent_step_of_leo_by_hand():
    learner = head("leo", dim=2, way=2, latent=2, steps=1, weight_steps=0)
    support = vectors(1, 2, 1, 2)
    x = F.normalize(support, dim=-1)[0, :, 0]
    code = learner.encoded(x[None, :, None])[0][0, :, 0]  # [2, 2]
    decoder = learner.decoder.weight[:2]  # of the means
    slope = (x @ (code @ decoder.T).T).softmax(-1) - torch.eye(2)
    stepped = code - learner.rates * (slope.T @ x) @ decoder
    weights, _ = learner.adapted(x[None, :, None])
    torch.testing.assert_close(weights[0, :, 0], stepped @ decoder.T, atol=1e-12, rtol=1e-12)


def test_leo_answers_in_inference_mode_what_it_answers_elsewhere():
    learner = head("leo")
    support, query = episode()
    with torch.no_grad():
        expected = learner.classify(support, query)
    with torch.inference_mode():  # in which images of a dataset are embedded and answered
        found = learner.classify(support.clone(), query.clone())
    assert torch.equal(found, expected)


def test_published_size_and_offset_of_leo():
    learner = head("leo", dim=640, way=5, latent=64)
    assert parameter_count(learner) == 172_736
    torch.nn.init.zeros_(learner.decoder.weight)
    _, deviation = learner.decoded(torch.zeros(1, 5, 1, 64, dtype=torch.float64), 5)
    assert float(deviation[0, 0, 0, 0]) == pytest.approx(0.0557, abs=1e-4)


def test_what_leo_adds_to_its_loss():
    learner = head("leo", kl=0.0, encoder=0.0, l2=0.5, orthogonality=0.25)
    support, query = episode()
    loss, logits = learner.loss(support, query)
    target = torch.arange(WAY).repeat_interleave(QUERIES).repeat(2)
    expected = F.cross_entropy(logits.flatten(0, 1), target)
    matrices = [parameter for parameter in learner.parameters() if parameter.ndim == 2]
    expected += 0.5 * sum(matrix.square().sum() / 2 for matrix in matrices)
    rows = F.normalize(learner.decoder.weight.T, dim=1)
    expected += 0.25 * ((rows @ rows.T - torch.eye(4)) ** 2).mean()
    torch.testing.assert_close(loss, expected)


# Gradients


@pytest.mark.parametrize(
    "name", ["r2d2", "weight_generator", "parameter_predictor", "leo", "reconstruction", "snail"]
)
def test_gradients_are_those_of_finite_differences(name):
    more = {"r2d2": {"learn_regularisation": True}, "leo": {"steps": 2, "weight_steps": 2, "dropout": 0.0}}
    learner = head(name, **more.get(name, {}))
    if name == "leo":
        learner.train()  # differentiates through its steps
        learner._drawn = lambda mean, deviation: mean
    learner.prepare(vectors(14, DIM), torch.arange(7).repeat(2))
    support, query = episode(1)
    if name == "reconstruction":
        support, query = vectors(1, WAY, SHOT, 4, DIM), vectors(1, 6, 4, DIM, seed=1)
    classes = torch.tensor([[1, 4, 0]])

    def loss():
        torch.manual_seed(5)
        if name == "reconstruction":
            target = torch.arange(WAY).repeat_interleave(2)
            return F.cross_entropy(learner.classify(support, query)[0], target)
        return learner.task_loss(support, query, classes)[0]

    parameters = {k: p for k, p in learner.named_parameters() if p.requires_grad}
    gradients = torch.autograd.grad(loss(), list(parameters.values()), allow_unused=True)
    for (which, parameter), gradient in zip(parameters.items(), gradients, strict=True):
        if gradient is None:
            continue
        at, step = int(gradient.abs().argmax()), 1e-5
        flat = parameter.data.view(-1)
        value = float(flat[at])
        flat[at] = value + step
        above = float(loss())
        flat[at] = value - step
        below = float(loss())
        flat[at] = value
        assert (above - below) / (2 * step) == pytest.approx(
            float(gradient.flatten()[at]), rel=1e-4, abs=1e-8
        ), which


def test_all_of_these_are_learners_on_features():
    assert all(isinstance(head(name), EmbeddingLearner) for name in ALL)


# MatchingNet of the table


def test_the_table_s_matching_network_sums_plain_cosines_and_so_cannot_be_sure():
    learner = head("matchingnet", attention="cosine_sum")
    support, query = episode(1)
    memory = learner.encode_support(support.flatten(1, 2))
    encoded = learner.encode_query(query, memory)
    cosines = F.cosine_similarity(encoded[0][:, None], memory[0][None], dim=-1)
    torch.testing.assert_close(
        learner(support, query)[0], cosines.unflatten(1, (WAY, SHOT)).sum(2), atol=1e-4, rtol=0
    )
    target = torch.arange(WAY).repeat_interleave(QUERIES)
    loss, logits = learner.loss(support, query)
    torch.testing.assert_close(loss, F.cross_entropy(logits[0], target))
    best = F.cross_entropy(torch.tensor([[1.0, 0, 0, 0, 0]]), torch.tensor([0]))
    assert float(best) == pytest.approx(0.905, abs=1e-3)  # of cosines between 0 and 1 at one shot


def test_an_attention_that_is_none_is_named():
    with pytest.raises(InputError, match="attention must be softmax or cosine_sum"):
        head("matchingnet", attention="cosine")
