"""Loss weightings against their formulas, written out, and trainings with them that stop and go on."""

import math

import numpy as np
import pytest
import torch
from dense_task import CPU, NETWORK, assert_same, channels, snapshot, study
from interrupted import kill_after

from farfield.errors import InputError
from farfield.seeds import integer_seed, stream
from farfield.sharing.batches import Batches
from farfield.sharing.methods import build_method
from farfield.sharing.objective import Objective
from farfield.sharing.recipe import DenseAugmentation, DenseRecipe
from farfield.sharing.training import fit
from farfield.sharing.weighting import WEIGHTINGS, build_weighting
from farfield.sharing.weighting.pcgrad import combined, orders

TASKS = ("segmentation", "normals", "depth")
LAMBDAS = {"segmentation": 1.0, "normals": 20.0, "depth": 3.0}
RECIPE = DenseRecipe(
    iterations=6, batch_size=5, decay_every=3, weight_decay=0.01, augmentation=DenseAugmentation(crop=24)
)


def made(method="multi_task", weighting="fixed", **settings):
    data, objective = study(*TASKS)
    objective = Objective(objective.tasks, LAMBDAS)
    network = build_method(method, channels(objective), NETWORK)
    return network, build_weighting(weighting, objective, 3, **settings), data, objective


def trained(network, weighting, data, objective, recipe=RECIPE, **further):
    return fit(network, data, objective, weighting, recipe, seed=3, device=CPU, **further)


def doubled(network):
    """In float64: Adam divides by the size of a gradient, so that the rounding of a small one shows."""
    network.double().register_forward_pre_hook(lambda _, given: (given[0].double(),))
    return network


def losses_of_step(network, data, objective, iteration):
    """The tasks' losses in an iteration of `trained`, with the networks' draws as there."""
    torch.manual_seed(integer_seed(3, "network", iteration))
    images, targets = Batches(data, 5, RECIPE.augmentation, 3, "train").batch(iteration, CPU)
    return objective.losses(network(images), targets)


def reference_pcgrad(gradients, orders):
    """Algorithm 1 of PCGrad, vector by vector: the sum of the projected gradients of tasks [K, n]."""
    projected = [gradient.copy() for gradient in gradients]
    for own, order in zip(projected, orders, strict=True):
        for other in order:
            if own @ gradients[other] < 0:
                own -= own @ gradients[other] / (gradients[other] @ gradients[other]) * gradients[other]
    return sum(projected)


def test_uncertainty_weighs_a_regression_by_half_a_classification():
    _, weighting, *_ = made(weighting="uncertainty")
    sigmas = {"segmentation": 0.5, "normals": 2.0, "depth": 3.0}
    weighting.log_variances.data = torch.tensor([2 * math.log(sigmas[task]) for task in weighting.tasks])
    losses = {"segmentation": 1.5, "normals": 0.7, "depth": 4.0}
    expected = sum(losses[task] / (2 * sigmas[task] ** 2) for task in ("normals", "depth"))  # equation 7
    expected += losses["segmentation"] / sigmas["segmentation"] ** 2  # equation 10
    expected += sum(math.log(sigma) for sigma in sigmas.values())
    found = weighting.value(torch.tensor([losses[task] for task in weighting.tasks]))
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_the_trained_uncertainty_of_a_steady_loss_is_that_of_the_formula():
    """d/ds of exp(-s) L / 2 + s / 2 is 0 at exp(s) = L; of exp(-s) L + s / 2 at exp(s) = 2 L."""
    _, weighting, *_ = made(weighting="uncertainty", initial=0.5)
    losses = torch.tensor([{"segmentation": 1.5, "normals": 0.7, "depth": 4.0}[t] for t in weighting.tasks])
    optimizer = torch.optim.Adam(weighting.parameters(), lr=0.05)
    for _ in range(2000):
        optimizer.zero_grad()
        weighting.value(losses).backward()
        optimizer.step()
    best = {"segmentation": 3.0, "normals": 0.7, "depth": 4.0}
    for task, value in weighting.figures().items():
        assert math.exp(value) == pytest.approx(best[task.removeprefix("log_variance_")], rel=1e-3)


@pytest.mark.parametrize("method", ["multi_task", "sluice"])
def test_trainings_by_uncertainty_are_those_of_a_loop_written_out(method):
    network, weighting, data, objective = made(method, "uncertainty", initial=0.3, scale=2.0)
    curve = trained(doubled(network), weighting.double(), data, objective)
    plain = doubled(made(method)[0]).to(memory_format=torch.channels_last)
    variances = torch.full((3,), 0.3, dtype=torch.float64, requires_grad=True)
    groups = [
        {"params": list(plain.parameters()), "lr": 1e-3},
        {"params": [variances], "lr": 2e-3, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.Adam(groups, betas=(0.5, 0.999), weight_decay=0.01)
    for iteration in range(6):
        if iteration == 3:
            for group in optimizer.param_groups:
                group["lr"] *= 0.5
        losses = dict(zip(objective.tasks, losses_of_step(plain, data, objective, iteration), strict=True))
        value = plain.penalty() if method == "sluice" else 0
        for task, s in zip(objective.tasks, variances, strict=True):
            weight = torch.exp(-s) if task == "segmentation" else torch.exp(-s) / 2
            value = value + weight * losses[task] + s / 2
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    torch.testing.assert_close(weighting.log_variances.detach(), variances.detach(), rtol=1e-6, atol=1e-8)
    assert [curve[-1][f"log_variance_{task}"] for task in objective.tasks] == pytest.approx(
        variances.tolist(), abs=1e-6
    )
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter, plain.get_parameter(name), rtol=1e-6, atol=1e-8)


def test_conflicting_gradients_lose_what_conflicts():
    conflict = np.array([[1.0, 0.0], [-1.0, 1.0]])
    # g1 = (1, 0) loses its part along g2: (1, 0) + (1 / 2) (-1, 1) = (1/2, 1/2). g2 loses all of its x: (0, 1).
    shares = combined(conflict @ conflict.T, [[1], [0]])
    np.testing.assert_allclose(shares @ conflict, [0.5, 1.5])
    agreeing = np.array([[1.0, 0.0], [1.0, 1.0]])
    np.testing.assert_array_equal(combined(agreeing @ agreeing.T, [[1], [0]]), [1.0, 1.0])
    opposite = np.array([[2.0, 0.0], [-3.0, 0.0]])
    # To rounding, which a processor's fused products may leave.
    np.testing.assert_allclose(combined(opposite @ opposite.T, [[1], [0]]) @ opposite, [0.0, 0.0], atol=1e-12)
    absent = np.array([[1.0, 2.0], [0.0, 0.0]])  # a task without a gradient
    np.testing.assert_array_equal(combined(absent @ absent.T, [[1], [0]]) @ absent, [1.0, 2.0])


def test_the_order_of_projections_matters_and_is_followed():
    gradients = np.array([[1.0, 0.2, 0.0], [-1.0, 0.5, 0.3], [-0.4, -1.0, 0.8]])
    products = gradients @ gradients.T
    found = []
    for order in ([[1, 2], [0, 2], [0, 1]], [[2, 1], [2, 0], [1, 0]]):
        found.append(combined(products, order) @ gradients)
        np.testing.assert_allclose(found[-1], reference_pcgrad(gradients, order), rtol=1e-12)
    assert np.abs(found[0] - found[1]).max() > 0.01


@pytest.mark.parametrize("tasks", [2, 3, 5])
def test_projections_by_products_are_those_of_the_vectors(tasks):
    for trial in range(20):
        gradients = stream(trial, "gradients").normal(size=(tasks, 7))
        order = orders(tasks, 0, trial)
        shares = combined(gradients @ gradients.T, order)
        np.testing.assert_allclose(shares @ gradients, reference_pcgrad(gradients, order), atol=1e-10)


def test_orders_are_of_the_other_tasks_and_of_the_named_seed():
    drawn = [orders(4, 3, iteration) for iteration in range(40)]
    for one in drawn:
        assert [sorted([task, *order]) for task, order in enumerate(one)] == [[0, 1, 2, 3]] * 4
    assert drawn == [orders(4, 3, iteration) for iteration in range(40)]
    assert drawn != [orders(4, 4, iteration) for iteration in range(40)]
    assert len({tuple(one[0]) for one in drawn}) == 6  # every order comes up


@pytest.mark.parametrize("method", ["multi_task", "cross_stitch", "sluice", "stochastic_depth"])
def test_trainings_with_pcgrad_are_those_of_a_loop_written_out(method):
    network, weighting, data, objective = made(method, "pcgrad")
    trained(doubled(network), weighting, data, objective)
    plain = doubled(made(method)[0]).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.Adam(plain.parameters(), lr=1e-3, betas=(0.5, 0.999), weight_decay=0.01)
    names = [name for name, _ in plain.named_parameters()]
    conflicts = 0
    for iteration in range(6):
        if iteration == 3:
            optimizer.param_groups[0]["lr"] *= 0.5
        of_tasks = []
        for number, task in enumerate(objective.tasks):  # each task by a pass of its own
            state = snapshot(plain)
            loss = LAMBDAS[task] * losses_of_step(plain, data, objective, iteration)[number]
            optimizer.zero_grad()
            loss.backward()
            of_tasks.append({name: plain.get_parameter(name).grad for name in names})
            if task != list(objective.tasks)[-1]:
                plain.load_state_dict(state)  # BatchNorm sees the batch once
        shared = [name for name in names if not name.startswith("heads")]
        vectors = np.stack(
            [
                np.concatenate(
                    [
                        (torch.zeros_like(plain.get_parameter(n)) if grads[n] is None else grads[n])
                        .numpy()
                        .ravel()
                        for n in shared
                    ]
                )
                for grads in of_tasks
            ]
        )
        conflicts += int((vectors @ vectors.T < 0).sum())
        steps = torch.from_numpy(reference_pcgrad(vectors, orders(3, 3, iteration)))
        sizes = [plain.get_parameter(name).numel() for name in shared]
        steps = dict(zip(shared, steps.split(sizes), strict=True))
        for name in names:
            parameter, grads = plain.get_parameter(name), [grads[name] for grads in of_tasks]
            present = [grad for grad in grads if grad is not None]
            parameter.grad = None
            if present:
                step = steps[name].view(parameter.shape) if name in steps else sum(present)
                parameter.grad = torch.empty_like(parameter).copy_(step)
        if method == "sluice":
            plain.penalty().backward()
        optimizer.step()
    assert conflicts
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter, plain.get_parameter(name), rtol=1e-6, atol=1e-8)


def test_pcgrad_leaves_networks_that_share_nothing_as_they_are():
    fixed, pcgrad = made("single_task"), made("single_task", "pcgrad")
    for each in (fixed, pcgrad):
        trained(doubled(each[0]), *each[1:])
    for name, parameter in fixed[0].named_parameters():
        torch.testing.assert_close(pcgrad[0].get_parameter(name), parameter, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("weighting", list(WEIGHTINGS))
def test_a_resumed_training_ends_with_the_bytes_of_one_that_never_stopped(tmp_path, monkeypatch, weighting):
    whole, resumed = made(weighting=weighting), made(weighting=weighting)
    curve = trained(*whole, validate_every=2)

    checkpoint = {"checkpoint": tmp_path / "state.safetensors", "checkpoint_every": 1}
    first = made(weighting=weighting)
    kill_after(3, monkeypatch, lambda: trained(*first, validate_every=2, **checkpoint))
    assert trained(*resumed, validate_every=2, **checkpoint) == curve
    for left, right in zip(whole[:2], resumed[:2], strict=True):
        assert_same(snapshot(left), snapshot(right))


def test_weightings_differ():
    ends = {}
    for weighting in WEIGHTINGS:
        each = made(weighting=weighting)
        trained(*each)
        ends[weighting] = torch.cat([p.detach().flatten() for p in each[0].parameters()])
    assert not torch.equal(ends["fixed"], ends["uncertainty"])
    assert not torch.equal(ends["fixed"], ends["pcgrad"])


def test_unknown_weightings_and_settings_are_refused():
    _, objective = study(*TASKS)
    with pytest.raises(InputError, match="no loss weighting 'gradnorm'; the loss weightings are fixed, unc"):
        build_weighting("gradnorm", objective, 0)
    with pytest.raises(InputError, match="settings of pcgrad do not fit it"):
        build_weighting("pcgrad", objective, 0, order="random")
    with pytest.raises(InputError, match="scale of uncertainty weighting must be above 0, found 0"):
        build_weighting("uncertainty", objective, 0, scale=0)
