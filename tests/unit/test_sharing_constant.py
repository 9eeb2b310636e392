"""The constant predictor is the best constant."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from farfield.errors import InputError
from farfield.sharing.dense import DenseImages
from farfield.sharing.methods.constant import fit_constant
from farfield.sharing.protocol import FIXED
from farfield.sharing.tasks import TASKS, make_tasks
from farfield.sharing.tasks.resolution import to_prediction

CPU = torch.device("cpu")
CLASSES = 4
CHANNELS = {"segmentation": CLASSES, "normals": 3, "depth": 1, "keypoints": 1, "edges": 1}


def made(count=30, height=24, width=30):
    """Images whose targets are the same at all pixels of a block of 8 x 8, so that no size changes them."""
    random = np.random.default_rng(0)
    blocks = (count, -(-height // 8), -(-width // 8))

    def enlarged(values):
        return torch.from_numpy(values.repeat(8, axis=1).repeat(8, axis=2)[:, :height, :width].copy())

    labels = random.choice(5, size=blocks, p=[0.1, 0.2, 0.4, 0.2, 0.1]).astype(np.int16) - 1
    vectors = random.normal(loc=(0.5, -1, 0.2), size=(*blocks, 3))
    codes = np.round((vectors / np.linalg.norm(vectors, axis=-1, keepdims=True) + 1) * 127.5).astype(np.uint8)
    values = random.gamma(2, 2, size=(3, *blocks)).astype(np.float32)
    values[random.random(values.shape) < 0.2] = np.nan
    targets = {"segmentation": labels, "normals": codes, "depth": values[0]}
    targets |= {"keypoints": values[1], "edges": values[2]}
    images = torch.zeros(count, height, width, 3, dtype=torch.uint8)
    rows = torch.arange(count)
    return DenseImages(images, {task: enlarged(target) for task, target in targets.items()}, rows)


def at_reduced_size(data):
    _, targets = data.batch(torch.arange(len(data)), CPU)
    return {task: to_prediction(target, (3, 4)) for task, target in targets.items()}


def test_it_predicts_like_a_network():
    predicted = fit_constant(made(), CHANNELS)(torch.zeros(5, 3, 41, 64))
    assert {task: tuple(p.shape) for task, p in predicted.items()} == {
        task: (5, channels, 6, 8) for task, channels in CHANNELS.items()
    }


def test_its_values_are_majority_mean_direction_and_median():
    data = made()
    truth = at_reduced_size(data)
    predicted = {
        task: p[0, :, 0, 0].numpy()
        for task, p in fit_constant(data, CHANNELS)(torch.zeros(1, 3, 8, 8)).items()
    }
    labels = truth["segmentation"].numpy()
    counts = np.array([(labels == c).sum() for c in range(CLASSES)])
    assert predicted["segmentation"].argmax() == counts.argmax() == 1
    np.testing.assert_allclose(predicted["segmentation"], np.log(counts + 1), rtol=1e-6)
    normals = truth["normals"].movedim(1, -1).reshape(-1, 3).double().numpy()
    mean = normals[np.isfinite(normals).all(1)].mean(0)
    np.testing.assert_allclose(predicted["normals"], mean / np.linalg.norm(mean), rtol=1e-5)
    for task in ("depth", "keypoints", "edges"):
        assert predicted[task][0] == pytest.approx(np.nanmedian(truth[task].numpy()), abs=0.02)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("weights", [None, (1.0, 0.3, 2.0, 1.0)])
def test_no_other_constant_has_a_lower_loss(task, weights):
    data = made()
    truth = at_reduced_size(data)[task]
    loss = make_tasks("taskonomy", [task], CLASSES, FIXED, weights)[task].loss
    network = fit_constant(data, CHANNELS, weights)
    best = network(torch.zeros(len(data), 3, 24, 30))[task]
    random = torch.Generator().manual_seed(0)
    for size in (0.03, 0.3, 1.0):
        for _ in range(20):
            change = size * torch.randn(1, best.shape[1], 1, 1, generator=random)
            assert loss(best + change, truth) > loss(best, truth) - 1e-4


def test_a_class_that_training_lacks_has_a_finite_loss():
    data = made()
    network = fit_constant(data, {"segmentation": CLASSES + 2})
    logits = network(torch.zeros(1, 3, 8, 8))["segmentation"]
    assert F.cross_entropy(logits, torch.full((1, 1, 1), CLASSES + 1)).isfinite()


def test_the_number_of_images_at_once_changes_nothing():
    one, other = (fit_constant(made(), CHANNELS, batch_size=size).state_dict() for size in (1, 30))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_task_that_is_nowhere_known_is_refused():
    data = made()
    data.targets["depth"].fill_(torch.nan)
    with pytest.raises(InputError, match="no pixel of depth is known"):
        fit_constant(data, {"depth": 1})
