"""Losses of the five tasks: values by hand, masks, and gradients that no unknown pixel can spoil."""

import csv
import math
from importlib.resources import files

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from farfield.errors import InputError
from farfield.sharing.metrics import HIGHER_IS_BETTER, SCENE, TASKONOMY
from farfield.sharing.protocol import FIXED
from farfield.sharing.tasks import TASKS, make_tasks
from farfield.sharing.tasks.normals import normal_loss
from farfield.sharing.tasks.regression import absolute_loss
from farfield.sharing.tasks.resolution import to_prediction, to_target
from farfield.sharing.tasks.segmentation import segmentation_loss

CLASSES = 4


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def predictions(count=2, height=5, width=6):
    channels = {"segmentation": CLASSES, "normals": 3, "depth": 1, "keypoints": 1, "edges": 1}
    return {
        task: torch.randn(count, c, height, width, generator=random(1), requires_grad=True)
        for task, c in channels.items()
    }


def targets(count=2, height=5, width=6, unknown=0.4):
    """Random ones; a share `unknown` of the pixels is void."""
    hidden = torch.rand(count, 1, height, width, generator=random(2)) < unknown
    labels = torch.randint(CLASSES, (count, height, width), generator=random(3))
    directions = F.normalize(torch.randn(count, 3, height, width, generator=random(4)), dim=1)
    values = torch.rand(count, 1, height, width, generator=random(5)) + 0.5
    floats = {task: values.masked_fill(hidden, torch.nan) for task in ("depth", "keypoints", "edges")}
    return {
        "segmentation": labels.masked_fill(hidden[:, 0], -1),
        "normals": directions.masked_fill(hidden, torch.nan),
        **floats,
    }


TASK_SET = make_tasks("scene", TASKS, CLASSES, FIXED)


def test_cross_entropy_is_the_mean_over_labelled_pixels():
    prediction, target = predictions()["segmentation"], targets()["segmentation"]
    expected = F.cross_entropy(prediction, target, ignore_index=-1)
    torch.testing.assert_close(segmentation_loss(prediction, target), expected)


def test_weighted_cross_entropy_divides_by_the_sum_of_weights():
    prediction, target = predictions()["segmentation"], targets()["segmentation"]
    weights = (0.5, 7.0, 8.0, 2.0)
    expected = F.cross_entropy(prediction, target, torch.tensor(weights), ignore_index=-1)
    torch.testing.assert_close(segmentation_loss(prediction, target, weights), expected)


def test_the_normal_loss_is_one_minus_the_mean_cosine():
    truth = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [torch.nan] * 3])
    given = torch.tensor([[0.0, 0.0, 5.0], [3.0, 3.0, 0.0], [0.0, -0.1, 0.0], [1.0, 2.0, 3.0]])
    expected = 1 - (1 + math.sqrt(0.5) - 1) / 3

    def map_of(vectors):
        return vectors.T.reshape(1, 3, 2, 2)

    assert float(normal_loss(map_of(given), map_of(truth))) == pytest.approx(expected, abs=1e-6)


def test_the_absolute_loss_is_the_mean_over_known_pixels():
    given = torch.tensor([[[[1.0, -2.0], [3.0, 4.0]]]])
    truth = torch.tensor([[[[2.0, 2.0], [torch.nan, 4.5]]]])
    assert float(absolute_loss(given, truth)) == pytest.approx((1 + 4 + 0.5) / 3)


@pytest.mark.parametrize("task", TASKS)
def test_unknown_pixels_get_no_gradient_and_known_ones_the_plain_one(task):
    prediction, target = predictions()[task], targets()[task]
    TASK_SET[task].loss(prediction, target).backward()
    assert prediction.grad.isfinite().all()
    known = target >= 0 if task == "segmentation" else target.isfinite().all(1)
    assert (prediction.grad.movedim(1, -1)[~known] == 0).all()
    # As a loss over the known pixels alone, gathered into one row.
    plain = prediction.detach().movedim(1, -1)[known].clone().requires_grad_()
    rows = plain.T[None, :, None]
    chosen = target[known] if task == "segmentation" else target.movedim(1, -1)[known].T[:, None]
    TASK_SET[task].loss(rows, chosen[None, None] if task == "segmentation" else chosen[None]).backward()
    torch.testing.assert_close(prediction.grad.movedim(1, -1)[known], plain.grad)


@pytest.mark.parametrize("weights", [None, (1.0, 2.0, 3.0, 4.0)])
@pytest.mark.parametrize("task", TASKS)
def test_an_empty_mask_gives_loss_zero_and_gradient_zero(task, weights):
    prediction, target = predictions()[task], targets(unknown=2.0)[task]
    loss = make_tasks("scene", [task], CLASSES, FIXED, weights)[task].loss(prediction, target)
    loss.backward()
    assert loss == 0
    assert (prediction.grad == 0).all()


def test_a_prediction_of_no_length_has_a_finite_normal_gradient():
    prediction = torch.zeros(2, 3, 5, 6, requires_grad=True)
    normal_loss(prediction, targets()["normals"]).backward()
    assert prediction.grad.isfinite().all()


@pytest.mark.parametrize("task", TASKS)
def test_losses_of_half_precision_predictions_are_computed_in_full(task):
    prediction, target = predictions()[task].detach().bfloat16(), targets()[task]
    loss = TASK_SET[task].loss(prediction, target)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, TASK_SET[task].loss(prediction.float(), target))


@pytest.mark.parametrize(
    ("height", "width", "size"), [(48, 48, (6, 6)), (321, 33, (41, 5)), (7, 9, (20, 31))]
)
def test_both_resizings_follow_the_rule_of_interpolate(height, width, size):
    values = torch.rand(2, 3, height, width, generator=random())
    expected = F.interpolate(values, size=size, mode="nearest")
    torch.testing.assert_close(to_prediction(values, size), expected, rtol=0, atol=0)
    torch.testing.assert_close(to_target(values, size), expected, rtol=0, atol=0)
    labels = torch.randint(-1, 40, (2, height, width), generator=random())
    as_float = F.interpolate(labels[:, None].float(), size=size, mode="nearest")[:, 0].long()
    assert torch.equal(to_prediction(labels, size), as_float)


def test_resizing_keeps_unknown_pixels_unknown():
    small = to_prediction(targets(height=16, width=16)["normals"], (2, 2))
    assert small.isnan().any()
    assert (small.isnan().all(1) == small.isnan().any(1)).all()


def test_tasks_come_in_one_order_with_their_channels_and_metrics():
    tasks = make_tasks("scene", ["depth", "segmentation", "normals"], 13, FIXED)
    assert list(tasks) == ["segmentation", "normals", "depth"]
    assert [task.channels for task in tasks.values()] == [13, 3, 1]
    assert all(task.name == name and task.metrics == SCENE[name] for name, task in tasks.items())
    assert make_tasks("taskonomy", ["depth"], 0, FIXED)["depth"].metrics == TASKONOMY["depth"]


@pytest.mark.parametrize("kind", ["scene", "taskonomy"])
def test_a_meter_reports_exactly_the_metrics_of_its_task(kind):
    for name, task in make_tasks(kind, TASKS, CLASSES, FIXED).items():
        meter = task.meter()
        meter.update(predictions()[name].detach(), targets()[name])
        assert list(meter.compute()) == list(task.metrics)


def test_every_published_metric_has_a_direction():
    folder = files("farfield.results") / "published"
    for study in ("cityscapes", "nyuv2", "taskonomy"):
        lines = (folder / f"adashare_{study}.csv").read_text().splitlines()
        assert {row["metric"] for row in csv.DictReader(lines)} <= HIGHER_IS_BETTER.keys()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("outdoor", ["depth"], 4, FIXED), "'outdoor'"),
        (("scene", ["depth", "flow"], 4, FIXED), "flow"),
        (("scene", [], 4, FIXED), "none"),
        (("scene", ["segmentation"], 0, FIXED), "at least one class"),
        (("scene", ["segmentation"], 3, FIXED, [1.0, 2.0]), "each of 3 classes"),
        (("scene", ["segmentation"], 2, FIXED, [1.0, np.nan]), "above 0"),
    ],
)
def test_impossible_settings_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        make_tasks(*arguments)
