"""The convex heads of MetaOptNet against generic solvers, optimality conditions and finite differences."""

import numpy as np
import pytest
import torch
from scipy.optimize import LinearConstraint, minimize
from torch.nn import functional as F

from farfield.backbones.conv4 import Conv4
from farfield.errors import InputError
from farfield.metalearning import metaopt_svm
from farfield.metalearning.metaopt_ridge import MetaOptRidge, ridge_regression
from farfield.metalearning.metaopt_svm import MetaOptSVM, crammer_singer

HEADS = {"svm": MetaOptSVM, "ridge": MetaOptRidge}


def points_and_labels(tasks=3, way=3, shot=4, dim=8, scale=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(tasks, way, 1, dim, generator=generator, dtype=torch.float64)
    noise = torch.randn(tasks, way, shot, dim, generator=generator, dtype=torch.float64)
    labels = torch.eye(way, dtype=torch.float64).repeat_interleave(shot, 0)
    return scale * (centres + noise).relu().flatten(1, 2), labels


def generic_optimum(kernel, labels, regularisation):
    """The dual as it stands in the paper, by sequential quadratic programming on all n N variables."""
    count, way = labels.shape
    hessian = np.kron(kernel + np.eye(count), np.eye(way))
    linear = labels.ravel()
    sums = np.kron(np.eye(count), np.ones(way))
    result = minimize(
        lambda a: a @ hessian @ a / 2 - linear @ a,
        np.zeros(count * way),
        jac=lambda a: hessian @ a - linear,
        bounds=[(None, regularisation * truth) for truth in linear],
        constraints=LinearConstraint(sums, 0, 0),
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    return result.x.reshape(count, way)


@pytest.mark.parametrize(("way", "shot"), [(2, 6), (3, 4), (5, 2)])
@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0])
def test_the_machine_finds_the_optimum_of_a_generic_solver(way, shot, scale):
    points, labels = points_and_labels(tasks=2, way=way, shot=shot, scale=scale)
    kernel = points @ points.mT
    coefficients = crammer_singer(kernel, labels, 0.1)
    for found, gram in zip(coefficients, kernel, strict=True):
        expected = generic_optimum(gram.numpy(), labels.numpy(), 0.1)
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("shot", [1, 5, 20])
@pytest.mark.parametrize("scale", [0.01, 1.0, 10.0])
def test_the_solution_meets_the_optimality_conditions(shot, scale):
    points, labels = points_and_labels(way=5, shot=shot, dim=256, scale=scale)
    kernel, regularisation = points @ points.mT, 0.1
    coefficients = crammer_singer(kernel, labels, regularisation)
    slack = regularisation * labels - coefficients
    assert slack.min() >= 0
    assert coefficients.sum(-1).abs().max() < 1e-14
    # Some bound of each example is inactive, and there its multiplier is 0, the least of all.
    multiplier = labels - coefficients - kernel @ coefficients
    multiplier = multiplier - multiplier.amin(-1, keepdim=True)
    gap = (slack * multiplier).sum((1, 2))
    assert gap.max() < 2 * 5 * shot * (metaopt_svm.PRECISION * regularisation) ** 2


def test_gradients_of_the_machine_are_finite_differences(monkeypatch):
    monkeypatch.setattr(metaopt_svm, "PRECISION", 1e-10)  # the noise that finite differences blow up
    points, labels = points_and_labels(tasks=2, way=3, shot=2, dim=4)
    coefficients = crammer_singer(points @ points.mT, labels, 0.1)
    slack = 0.1 * labels - coefficients
    assert (slack < 1e-6).any()
    assert ((slack > 1e-4) & (coefficients.abs() > 1e-4)).any()
    assert not ((slack > 1e-8) & (slack < 1e-5)).any()  # where a bound takes hold there is no derivative
    points.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: crammer_singer(x @ x.mT, labels, 0.1), points, eps=1e-5, atol=1e-6
    )


def test_tasks_solved_together_are_tasks_solved_alone(monkeypatch):
    tasks = [points_and_labels(tasks=1, scale=scale, seed=i) for i, scale in enumerate((0.01, 1, 10, 0.3))]
    points, labels = torch.cat([x for x, _ in tasks]).requires_grad_(), tasks[0][1]
    weight = torch.randn(len(tasks), *labels.shape, generator=torch.Generator().manual_seed(1)).double()

    def solve(x):
        found = crammer_singer(x @ x.mT, labels, 0.1)
        return found, torch.autograd.grad((found * weight).sum(), points)[0]

    together, gradient = solve(points)
    monkeypatch.setattr(metaopt_svm, "CHUNK_BYTES", 1)
    alone, own_gradient = solve(points)
    torch.testing.assert_close(together, alone, atol=1e-12, rtol=0)
    torch.testing.assert_close(gradient, own_gradient, atol=1e-9, rtol=1e-6)


def test_few_iterations_leave_feasible_coefficients_and_bad_kernels_end():
    points, labels = points_and_labels()
    kernel = points @ points.mT
    rough = crammer_singer(kernel, labels, 0.1, iterations=2)
    assert (rough <= 0.1 * labels).all()
    assert rough.sum(-1).abs().max() < 1e-14
    assert (rough - crammer_singer(kernel, labels, 0.1)).abs().max() > 1e-4
    crammer_singer(torch.full_like(kernel, torch.nan), labels, 0.1)


@pytest.mark.parametrize("dim", [5, 40])
def test_ridge_regression_is_the_closed_form_whichever_side_is_smaller(dim):
    points, labels = points_and_labels(dim=dim)
    weights = ridge_regression(points, labels[None], 50.0)
    for x, found in zip(points.numpy(), weights, strict=True):
        expected = np.linalg.solve(x.T @ x + 50 * np.eye(dim), x.T @ labels.numpy())
        np.testing.assert_allclose(found, expected, atol=1e-12)
    small = points[:1].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: ridge_regression(x, labels[None], 2.0), small)


@pytest.mark.parametrize("head", ["svm", "ridge"])
def test_logits_are_those_of_the_fitted_weights(head):
    points, labels = points_and_labels(way=5, shot=3, dim=16)
    query = torch.randn(3, 10, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    learner = HEADS[head](Conv4(4, 32), 5)
    learner.scale.data.fill_(1.5)
    logits = learner.classify(points.unflatten(1, (5, 3)), query)
    kernel = points @ points.mT
    if head == "svm":
        coefficients = crammer_singer(kernel, labels, 0.1)
    else:
        coefficients = 2 * torch.linalg.inv(kernel + 50 * torch.eye(15).double()) @ labels
    torch.testing.assert_close(logits, 1.5 * query @ points.mT @ coefficients)


@pytest.mark.parametrize("head", ["svm", "ridge"])
def test_the_order_of_ways_does_not_matter(head):
    points, _ = points_and_labels(way=5, shot=3, dim=16)
    support, query = points.unflatten(1, (5, 3)), points[:, ::2]
    learner, order = HEADS[head](Conv4(4, 32), 5), [3, 0, 4, 2, 1]
    logits = learner.classify(support, query)
    torch.testing.assert_close(learner.classify(support[:, order], query), logits[..., order])


@pytest.mark.parametrize("head", ["svm", "ridge"])
def test_the_loss_trains_embedding_and_scale(head):
    torch.manual_seed(0)
    learner = HEADS[head](Conv4(4, 32), 3).train()
    optimizer = torch.optim.SGD(learner.parameters(), 0.05)
    support, query = torch.randn(2, 3, 2, 3, 32, 32), torch.randn(2, 6, 3, 32, 32)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss, logits = learner.loss(support, query)
        loss.backward()
        losses.append(loss.item())
        assert logits.shape == (2, 6, 3)
        assert all(p.grad is not None and p.grad.abs().max() > 0 for p in learner.parameters())
        optimizer.step()
    assert losses[-1] < losses[0]


def test_label_smoothing_shares_among_the_other_classes():
    torch.manual_seed(0)
    learner = MetaOptSVM(Conv4(4, 32), 3, label_smoothing=0.1).eval()
    loss, logits = learner.loss(torch.randn(1, 3, 2, 3, 32, 32), torch.randn(1, 6, 3, 32, 32))
    target = torch.full((6, 3), 0.05)
    target[torch.arange(6), torch.arange(6) // 2] = 0.9
    expected = -(target * F.log_softmax(logits[0], -1)).sum(-1).mean()
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"regularisation": 0.0}, "regularisation must be above 0"),
        ({"iterations": 0}, "iterations must be at least 1"),
        ({"label_smoothing": 1.0}, "label_smoothing"),
    ],
)
def test_impossible_settings_are_named(settings, message):
    with pytest.raises(InputError, match=message):
        MetaOptSVM(Conv4(4, 32), 5, **settings)
    if "iterations" not in settings:
        with pytest.raises(InputError, match=message):
            MetaOptRidge(Conv4(4, 32), 5, **settings)
