"""Training by iterations, for all multi-task networks."""

from functools import cache

import pytest
import torch
from dense_task import CPU, NETWORK, assert_same, channels, snapshot, study
from interrupted import kill_after

from farfield.errors import InputError
from farfield.seeds import integer_seed
from farfield.sharing.augmentation import evaluation_view
from farfield.sharing.batches import Batches
from farfield.sharing.dense import DenseImages
from farfield.sharing.evaluation import evaluate, objective_value, predictions
from farfield.sharing.methods import build_method
from farfield.sharing.objective import Objective, check_finite
from farfield.sharing.recipe import DenseAugmentation, DenseRecipe, SearchRecipe
from farfield.sharing.tasks.resolution import to_prediction
from farfield.sharing.training import fit
from farfield.sharing.weighting.fixed import Fixed

TASKS = ("segmentation", "normals", "depth")
AUGMENTATION = DenseAugmentation(crop=24)
RECIPE = DenseRecipe(iterations=8, batch_size=5, decay_every=3, augmentation=AUGMENTATION)


def made(name="multi_task", tasks=TASKS, **settings):
    data, objective = study(*tasks)
    return build_method(name, channels(objective), NETWORK, **settings), data, objective


def trained(network, data, objective, recipe=RECIPE, **further):
    weighting = Fixed(objective, 3)
    return fit(network, data, objective, weighting, recipe, seed=3, device=CPU, **further)


def test_a_step_is_that_of_a_loop_written_out():
    """In float64: Adam divides by the size of a gradient, so that the rounding of a small one shows."""
    network, data, objective = made("sluice", ("segmentation", "depth"))
    plain, *_ = made("sluice", ("segmentation", "depth"))
    for each in (network, plain):
        each.double().register_forward_pre_hook(lambda _, given: (given[0].double(),))
    objective = Objective(objective.tasks, {"segmentation": 1.0, "depth": 20.0})
    recipe = DenseRecipe(iterations=3, batch_size=5, head_rate=1e-3, backbone_rate=1e-2, decay_every=2)
    trained(network, data, objective, recipe)

    head, others = [], []
    for name, parameter in plain.named_parameters():
        (head if name.startswith("heads") else others).append(parameter)
    groups = [{"params": head, "lr": 1e-3}, {"params": others, "lr": 1e-2}]
    optimizer = torch.optim.Adam(groups, betas=(0.5, 0.999), weight_decay=1e-4)
    plain.to(memory_format=torch.channels_last)
    batches = Batches(data, 5, None, 3, "train")
    for iteration in range(3):
        if iteration == 2:
            for group in optimizer.param_groups:
                group["lr"] *= 0.5
        torch.manual_seed(integer_seed(3, "network", iteration))
        images, targets = evaluation_view(*data.batch(batches.index(iteration), CPU))
        given = plain(images)
        losses = {
            task: objective.tasks[task].loss(
                given[task], to_prediction(targets[task], given[task].shape[-2:])
            )
            for task in given
        }
        optimizer.zero_grad()
        (losses["segmentation"] + 20 * losses["depth"] + plain.penalty()).backward()
        optimizer.step()
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter, plain.get_parameter(name), rtol=1e-7, atol=1e-9)


def test_batches_are_passes_over_all_images_and_full():
    data, _ = study("depth")
    batches = Batches(data, 5, None, 0, "train")
    order = torch.cat([batches.index(iteration) for iteration in range(12)])
    assert all(len(batches.index(iteration)) == 5 for iteration in range(12))
    for one_pass in order.split(12):
        assert sorted(one_pass.tolist()) == list(range(12))
    assert not torch.equal(order[:12], order[12:24])
    assert torch.equal(batches.index(7), Batches(data, 5, None, 0, "train").index(7))
    assert not torch.equal(batches.index(7), Batches(data, 5, None, 1, "train").index(7))
    larger = Batches(data, 30, None, 0, "train").index(1)  # more than a pass, and a half
    assert larger.bincount(minlength=12).tolist().count(2) >= 6


def test_batches_are_augmented_the_same_each_time():
    data, _ = study("normals", "depth")
    batches = Batches(data, 5, AUGMENTATION, 0, "train")
    (images, targets), (again, _) = batches.batch(2, CPU), batches.batch(2, CPU)
    assert torch.equal(images, again)
    assert images.shape == (5, 3, 24, 24)
    assert {task: target.shape[-2:] for task, target in targets.items()} == {
        "normals": (24, 24),
        "depth": (24, 24),
    }


@pytest.mark.parametrize("name", ["multi_task", "single_task", "sluice", "nddr", "mtan", "stochastic_depth"])
def test_training_lowers_the_loss(name):
    network, data, objective = made(name)
    recipe = DenseRecipe(iterations=30, batch_size=6, decay_every=0, head_rate=3e-3, backbone_rate=3e-3)
    before = objective_value(network, data, objective, device=CPU)
    curve = trained(network, data, objective, recipe, validate_every=10)
    assert [row["iteration"] for row in curve] == [10, 20, 30]
    for task in TASKS:
        assert curve[-1][f"loss_{task}"] < curve[0][f"loss_{task}"]
    assert objective_value(network, data, objective, device=CPU) < before


def validated(network, data, objective, **further):
    def validate(current):  # best in the first row, which the run that goes on knows from the checkpoint
        return {"score": objective_value(current, data, objective, device=CPU)}

    settings = {"validate": validate, "validate_every": 3, "select": "score", "checkpoint_every": 1}
    return trained(network, data, objective, **settings, **further)


@cache
def never_stopped(name):
    """State and curve of a whole training."""
    network, data, objective = made(name)
    curve = validated(network, data, objective)
    return snapshot(network), curve


@pytest.mark.parametrize("name", ["multi_task", "sluice", "stochastic_depth"])
@pytest.mark.parametrize("stop", [2, 5])
def test_a_resumed_training_ends_with_the_bytes_of_one_that_never_stopped(tmp_path, monkeypatch, name, stop):
    state, curve = never_stopped(name)
    checkpoint = tmp_path / "state.safetensors"

    kill_after(stop, monkeypatch, lambda: validated(*made(name), checkpoint=checkpoint))
    resumed, data, objective = made(name)
    assert validated(resumed, data, objective, checkpoint=checkpoint) == curve
    assert_same(snapshot(resumed), state)


def test_a_training_may_go_on_where_a_shorter_one_ended(tmp_path):
    network, data, objective = made()
    trained(network, data, objective)
    first, *_ = made()
    short = DenseRecipe(iterations=3, batch_size=5, decay_every=3, augmentation=AUGMENTATION)
    checkpoint = tmp_path / "warmup.safetensors"
    trained(first, data, objective, short, checkpoint=checkpoint)
    second, *_ = made()
    trained(second, data, objective, checkpoint=checkpoint)
    assert_same(snapshot(second), snapshot(network))


def test_the_selected_weights_are_those_of_the_best_row(tmp_path):
    network, data, objective = made()
    states, scores = [], iter([1.0, 3.0, 3.0, 2.0])

    def validate(current):
        states.append(snapshot(current))
        return {"score": next(scores)}

    curve = trained(network, data, objective, validate=validate, validate_every=2, select="score")
    assert [row["score"] for row in curve] == [1.0, 3.0, 3.0, 2.0]
    assert_same(snapshot(network), states[1])


def test_a_loss_that_is_not_finite_stops_before_the_weights():
    network, data, objective = made("multi_task", ("segmentation", "depth"))
    targets = dict(data.targets)
    targets["depth"] = torch.full_like(targets["depth"], 3e38)  # its mean overflows
    broken = DenseImages(data.images, targets, data.rows)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    with pytest.raises(InputError, match=r"iteration 1 .*depth inf") as caught:
        trained(network, broken, objective)
    assert "learning rate" in str(caught.value)
    assert_same({name: p.detach() for name, p in network.named_parameters()}, before)


def test_targets_without_a_known_pixel_move_no_weight_to_nan():
    network, data, objective = made()
    targets = {
        "segmentation": torch.full_like(data.targets["segmentation"], -1),
        "normals": torch.full_like(data.targets["normals"], 255),
        "depth": torch.full_like(data.targets["depth"], torch.nan),
    }
    trained(network, DenseImages(data.images, targets, data.rows), objective)
    assert all(p.isfinite().all() for p in network.parameters())


def test_the_message_names_the_task():
    _, _, objective = made()
    check_finite([1.0, 2.0, 3.0], objective, 0)
    with pytest.raises(InputError, match=r"iteration 8 \(segmentation 1.0, normals nan, depth 2.0\)"):
        check_finite([1.0, float("nan"), 2.0], objective, 7)


def test_each_task_needs_a_weight():
    _, _, objective = made()
    with pytest.raises(InputError, match="weights are for depth"):
        Objective(objective.tasks, {"depth": 1.0})


def test_an_empty_training_set_is_refused():
    data, _ = study("depth")
    with pytest.raises(InputError, match="no image"):
        Batches(DenseImages(data.images, data.targets, data.rows[:0]), 4, None, 0, "train")


def test_evaluation_does_not_depend_on_the_batch_size():
    network, data, objective = made()
    one, all_at_once = (
        evaluate(network, data, objective.tasks, device=CPU, batch_size=size) for size in (5, 12)
    )
    for task in TASKS:
        assert one[task] == pytest.approx(all_at_once[task], rel=1e-5)
    shown = predictions(network, data, [3, 0], device=CPU)
    assert {task: maps.shape for task, maps in shown.items()} == {
        "segmentation": (2, 4, 32, 32),
        "normals": (2, 3, 32, 32),
        "depth": (2, 1, 32, 32),
    }


@pytest.mark.parametrize(
    "wrong",
    [{"iterations": -1}, {"batch_size": 0}, {"head_rate": 0.0}, {"betas": (0.5, 1.0)}, {"decay": 0.0}],
)
def test_impossible_recipes_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        DenseRecipe(**wrong)


@pytest.mark.parametrize(
    "wrong", [{"share": 1.0}, {"temperature": 0.0}, {"momentum": 1.0}, {"curriculum_speed": -1}]
)
def test_impossible_searches_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        SearchRecipe(**wrong)


def test_rates_fall_in_steps():
    recipe = DenseRecipe(decay_every=4000, decay=0.5)
    assert [recipe.decayed(1.0, i) for i in (0, 3999, 4000, 8000)] == [1, 1, 0.5, 0.25]
    assert DenseRecipe(decay_every=0).decayed(1.0, 9999) == 1
