"""Streaming metrics against plain formulas over all pixels at once, torchmetrics, and hand-made maps."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from farfield.errors import InputError
from farfield.sharing.protocol import FIXED, LEGACY, protocol
from farfield.sharing.tasks import TASKS, make_tasks
from farfield.sharing.tasks.depth import DepthMeter
from farfield.sharing.tasks.normals import NormalMeter
from farfield.sharing.tasks.resolution import to_target
from farfield.sharing.tasks.segmentation import SegmentationMeter

CLASSES = 6
BATCHES = (3, 1, 4)  # unequal, so that a mean of batch means is not the mean
COUNT = sum(BATCHES)


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def void(count, height, width):
    """Masks of very different size in each image."""
    shares = torch.linspace(0.05, 0.9, count)[:, None, None, None]
    return torch.rand(count, 1, height, width, generator=random(9)) < shares


def labels(count=COUNT, height=20, width=24):
    target = torch.randint(CLASSES - 1, (count, height, width), generator=random(1))
    logits = torch.randn(count, CLASSES, height, width, generator=random(2))
    logits += 2 * F.one_hot(target, CLASSES).movedim(-1, 1)
    return logits, target.masked_fill(void(count, height, width)[:, 0], -1)


def directions(count=COUNT, height=20, width=24):
    target = F.normalize(torch.randn(count, 3, height, width, generator=random(3)), dim=1)
    given = target + 0.3 * torch.randn(count, 3, height, width, generator=random(4))
    return 4 * given, target.masked_fill(void(count, height, width), torch.nan)


def distances(count=COUNT, height=20, width=24):
    target = 0.5 + 6 * torch.rand(count, 1, height, width, generator=random(5))
    given = target + torch.randn(count, 1, height, width, generator=random(6))
    assert (given < 0).any()
    return given, target.masked_fill(void(count, height, width), torch.nan)


def stream(meter, prediction, target):
    for given, truth in zip(prediction.split(BATCHES), target.split(BATCHES), strict=True):
        meter.update(given, truth)
    return meter.compute()


def test_segmentation_against_plain_masks():
    logits, target = labels()
    given, truth = logits.argmax(1).numpy(), target.numpy()
    known = truth >= 0
    shares = []
    assert not (truth == CLASSES - 1).any()  # the last class is only predicted, and counts as 0
    for c in np.union1d(truth[known], given[known]):
        both = ((given == c) & (truth == c)).sum()
        shares.append(both / (((given == c) & known) | (truth == c)).sum())
    values = stream(SegmentationMeter(CLASSES), logits, target)
    assert values["miou"] == pytest.approx(100 * np.mean(shares), rel=1e-12)
    assert values["pixel_accuracy"] == pytest.approx(100 * (given == truth)[known].mean(), rel=1e-12)


def test_segmentation_against_torchmetrics():
    from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

    logits, target = labels()
    share = MulticlassJaccardIndex(CLASSES, average="macro", ignore_index=-1)(logits, target)
    accuracy = MulticlassAccuracy(CLASSES, average="micro", ignore_index=-1)(logits, target)
    values = stream(SegmentationMeter(CLASSES), logits, target)
    assert values["miou"] == pytest.approx(100 * float(share), rel=1e-5)
    assert values["pixel_accuracy"] == pytest.approx(100 * float(accuracy), rel=1e-5)


def one_hot(rows):
    """Logits [1, 3, 2, 4] that give the classes `rows`."""
    return F.one_hot(torch.tensor(rows), 3).movedim(-1, 0)[None].float()


def test_a_class_without_true_positives_counts_as_zero_or_is_dropped():
    truth = torch.tensor([[[0, 0, 0, 0], [1, 1, -1, -1]]])
    given = one_hot([[0, 0, 0, 2], [0, 0, 1, 1]])
    # IoU of class 0: 3 of 6; class 1 is never found; class 2 is only predicted. Six pixels are labelled.
    fixed, legacy = SegmentationMeter(3, FIXED), SegmentationMeter(3, protocol("legacy", "nyuv2"))
    for meter in (fixed, legacy):
        meter.update(given, truth)
    assert fixed.compute() == pytest.approx({"miou": 50 / 3, "pixel_accuracy": 50.0})
    assert legacy.compute() == pytest.approx({"miou": 50.0, "pixel_accuracy": 50.0})


@pytest.mark.parametrize("predicted", [True, False])
def test_a_class_without_ground_truth_counts_only_where_it_is_predicted(predicted):
    from torchmetrics.classification import MulticlassJaccardIndex

    truth = torch.tensor([[[0, 0, 0, 0], [1, 1, -1, -1]]])
    # At void pixels class 2 may be predicted: nobody sees it. IoU of class 0: 4 or 3 of 4, of class 1: 2 of 2.
    given = one_hot([[0, 0, 0, 2 if predicted else 0], [1, 1, 2, 2]])
    meter = SegmentationMeter(3, FIXED)
    meter.update(given, truth)
    expected = 100 * (0.75 + 1 + 0) / 3 if predicted else 100.0
    assert meter.compute()["miou"] == pytest.approx(expected)
    macro = MulticlassJaccardIndex(3, average="macro", ignore_index=-1)
    assert 100 * float(macro(given, truth)) == pytest.approx(expected, rel=1e-5)


def test_void_pixels_are_wrong_in_the_legacy_pixel_accuracy_of_cityscapes():
    truth = torch.tensor([[[0, 0, 0, 0], [1, 1, -1, -1]]])
    meter = SegmentationMeter(3, protocol("legacy", "cityscapes"))
    meter.update(one_hot([[0, 0, 0, 2], [0, 0, 1, 1]]), truth)
    assert meter.compute() == pytest.approx({"miou": 50.0, "pixel_accuracy": 100 * 3 / 8})


def test_a_mean_over_images_counts_each_image_once_and_none_without_pixels():
    truth = torch.tensor([[[0, 0, 0, 0], [0, 0, 0, 0]], [[1, -1, -1, -1]] * 2, [[-1] * 4] * 2])
    given = torch.cat([one_hot([[0, 0, 0, 0], [0, 0, 1, 1]]), one_hot([[2] * 4] * 2), one_hot([[0] * 4] * 2)])
    pooled, per_image = SegmentationMeter(3, FIXED), SegmentationMeter(3, protocol("legacy", "nyuv2"))
    for meter in (pooled, per_image):
        meter.update(given, truth)
    assert pooled.compute()["pixel_accuracy"] == pytest.approx(60.0)
    assert per_image.compute()["pixel_accuracy"] == pytest.approx((75 + 0) / 2)


def degrees(prediction, target):
    """All known angles, in float64."""
    given, truth = (t.double().movedim(1, -1).numpy() for t in (prediction, target))
    known = np.isfinite(truth).all(-1)
    given, truth = given[known], truth[known]
    cosine = (given * truth).sum(-1) / np.linalg.norm(given, axis=-1) / np.linalg.norm(truth, axis=-1)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def test_normals_against_all_angles_at_once():
    prediction, target = directions()
    angles = degrees(prediction, target)
    values = stream(NormalMeter(), prediction, target)
    assert values.pop("normal_mean_angle") == pytest.approx(angles.mean(), abs=1e-4)
    assert values.pop("normal_median_angle") == pytest.approx(np.median(angles), abs=0.0051)
    for limit in ("11.25", "22.5", "30"):
        expected = 100 * (angles <= float(limit)).mean()
        assert values.pop(f"normal_within_{limit}") == pytest.approx(expected, abs=1e-9)
    assert not values


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_the_histogram_has_numpys_median_for_even_and_odd_counts(count):
    turns = torch.tensor([0.0, 10.0, 40.0, 90.0, 91.0, 135.0, 179.0, 180.0])[:count].deg2rad()
    prediction = torch.stack([turns.cos(), turns.sin(), torch.zeros(count)])[None, :, None]
    target = torch.tensor([1.0, 0.0, 0.0])[None, :, None, None].expand_as(prediction)
    meter = NormalMeter()
    meter.update(prediction, target)
    values = meter.compute()
    assert values["normal_median_angle"] == pytest.approx(np.median(turns.rad2deg()), abs=0.0051)
    assert values["normal_mean_angle"] == pytest.approx(float(turns.rad2deg().mean()), abs=1e-4)


def test_a_perfect_normal_has_no_angle():
    _, target = directions()
    prediction = 0.01 * torch.where(target.isnan(), 1, target)
    assert stream(NormalMeter(), prediction, target)["normal_mean_angle"] < 1e-4


def test_depth_against_plain_arrays():
    prediction, target = distances()
    known = target.isfinite().numpy()
    given, truth = prediction.double().numpy()[known], target.double().numpy()[known]
    values = stream(DepthMeter(), prediction, target)
    assert values["depth_abs_error"] == pytest.approx(np.abs(given - truth).mean(), rel=1e-6)
    assert values["depth_rel_error"] == pytest.approx((np.abs(given - truth) / truth).mean(), rel=1e-6)
    for power, name in enumerate(("1.25", "1.25^2", "1.25^3"), start=1):
        ratio = np.maximum(given / truth, truth / given)
        right = (given > 0) & (ratio <= 1.25**power)
        assert values[f"depth_delta_{name}"] == pytest.approx(100 * right.mean(), rel=1e-12)


def test_a_negative_depth_is_right_in_the_legacy_protocol_alone():
    prediction, target = torch.tensor([[[[-1.0, 2.0, -5.0, 9.0]]]]), torch.full((1, 1, 1, 4), 2.0)
    shares = []
    for one in (FIXED, LEGACY):
        meter = DepthMeter(one)
        meter.update(prediction, target)
        shares.append(meter.compute()["depth_delta_1.25"])
    assert shares == [25.0, 75.0]


def test_legacy_depth_errors_are_means_of_images_and_deltas_are_pooled():
    prediction, target = distances()
    known = target.isfinite().flatten(1).numpy()
    given, truth = (t.double().flatten(1).numpy() for t in (prediction, target))
    images = [(g[k], t[k]) for g, t, k in zip(given, truth, known, strict=True)]
    values = stream(DepthMeter(LEGACY), prediction, target)
    assert values["depth_abs_error"] == pytest.approx(np.mean([np.abs(g - t).mean() for g, t in images]))
    assert values["depth_rel_error"] == pytest.approx(
        np.mean([(np.abs(g - t) / t).mean() for g, t in images])
    )
    ratio = np.maximum(given[known] / truth[known], truth[known] / given[known])
    assert values["depth_delta_1.25"] == pytest.approx(100 * (ratio <= 1.25).mean())


def test_a_depth_of_zero_counts_as_unknown():
    target = torch.tensor([[[[2.0, 0.0]]]])
    meter = DepthMeter()
    meter.update(torch.tensor([[[[3.0, 7.0]]]]), target)
    assert meter.compute()["depth_rel_error"] == pytest.approx(0.5)


@pytest.mark.parametrize("weights", [None, (0.5, 7.0, 8.0, 2.0, 1.0, 3.0)])
def test_taskonomy_segmentation_is_the_cross_entropy(weights):
    logits, target = labels()
    meter = make_tasks("taskonomy", TASKS, CLASSES, FIXED, weights)["segmentation"].meter()
    scale = None if weights is None else torch.tensor(weights)
    expected = F.cross_entropy(logits, target, scale, ignore_index=-1)
    assert stream(meter, logits, target)["segmentation_loss"] == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("one", [FIXED, LEGACY, protocol("legacy", "taskonomy")], ids=lambda one: one.name)
def test_taskonomy_normals_are_scored_by_the_cosine_over_all_pixels(one):
    """In both protocols: the released code concatenates the cosines of all images before their mean."""
    prediction, target = directions()
    meter = make_tasks("taskonomy", TASKS, CLASSES, one)["normals"].meter()
    expected = np.cos(np.radians(degrees(prediction, target))).mean()
    assert stream(meter, prediction, target)["normal_similarity"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("task", "metric"), [("depth", "depth_error"), ("edges", "edge_error")])
@pytest.mark.parametrize("one", [FIXED, LEGACY], ids=["fixed", "legacy"])
def test_taskonomy_regressions_are_absolute_errors(task, metric, one):
    from torchmetrics.regression import MeanAbsoluteError

    prediction, target = distances()
    known = target.isfinite()
    expected = MeanAbsoluteError()(prediction[known], target[known])
    if one is LEGACY:
        pairs = zip(prediction, target, strict=True)
        expected = torch.stack([(p - t)[t.isfinite()].abs().mean() for p, t in pairs]).mean()
    meter = make_tasks("taskonomy", TASKS, CLASSES, one)[task].meter()
    assert stream(meter, prediction, target)[metric] == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("kind", ["scene", "taskonomy"])
@pytest.mark.parametrize("task", TASKS)
def test_a_small_prediction_is_scored_as_its_nearest_enlargement(kind, task):
    small = {"segmentation": labels, "normals": directions}.get(task, distances)
    prediction, target = small(height=5, width=6)[0], small(height=33, width=47)[1]
    make = make_tasks(kind, TASKS, CLASSES, FIXED)[task].meter
    assert stream(make(), prediction, target) == stream(make(), to_target(prediction, (33, 47)), target)


@pytest.mark.parametrize("kind", ["scene", "taskonomy"])
@pytest.mark.parametrize("task", TASKS)
def test_a_batch_without_known_pixels_changes_nothing_and_a_set_of_them_has_no_score(kind, task):
    data = {"segmentation": labels, "normals": directions}.get(task, distances)
    prediction, target = data()
    unknown = torch.full_like(target, -1 if task == "segmentation" else torch.nan)
    make = make_tasks(kind, TASKS, CLASSES, FIXED)[task].meter
    meter = make()
    meter.update(prediction, unknown)
    with pytest.raises(InputError, match="known, so it cannot be scored"):
        meter.compute()
    meter.update(prediction, target)
    alone = make()
    alone.update(prediction, target)
    assert meter.compute() == alone.compute()


def test_sums_do_not_lose_small_batches_after_many():
    """In float32 a sum of 2^24 ones would stop growing."""
    meter = DepthMeter()
    ones = torch.ones(1, 1, 1, 1)
    meter.absolute.total, meter.absolute.weight = torch.tensor([2.0**24, 2.0**24], dtype=torch.float64)
    meter.update(2 * ones, ones)
    assert float(meter.absolute.total) == 2**24 + 1
