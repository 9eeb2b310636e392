"""The penalty of batch spectral regularisation, against the singular values that it is defined by."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from distributed_task import coloured_squares
from torch.nn import functional as F

from farfield.backbones import build
from farfield.training.classifier import Classifier, penalised, pretrain, spectral_penalty
from farfield.training.images import evaluation_view
from farfield.training.recipe import Recipe

CPU = torch.device("cpu")


@pytest.mark.parametrize("shape", [(16, 5), (5, 16), (7, 7), (1, 3)])
def test_it_is_the_sum_of_squared_singular_values_and_so_is_its_gradient(shape):
    features = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ours, theirs = (features.clone().requires_grad_() for _ in range(2))
    value, expected = spectral_penalty(ours), torch.linalg.svdvals(theirs).square().sum()
    torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=1e-5)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-5)


def test_the_loss_is_cross_entropy_and_the_weighted_penalty_of_the_batch():
    torch.manual_seed(0)
    classifier = Classifier(build("conv4", width=4, image_size=16), 3)
    images, targets = torch.randn(6, 3, 16, 16), torch.tensor([0, 1, 2, 0, 1, 2])
    value, logits = penalised(0.25)(classifier, images, targets, 0.1)
    features = classifier.backbone(images)
    plain = F.cross_entropy(classifier.head(features), targets, label_smoothing=0.1)
    torch.testing.assert_close(value, plain + 0.25 * torch.linalg.svdvals(features).square().sum())
    torch.testing.assert_close(logits, classifier.head(features))


def test_pretraining_with_it_keeps_features_small():
    images, labels = coloured_squares()
    pixels = evaluation_view(torch.from_numpy(images), 16)
    lengths = []
    for weight in (0.0, 0.01):
        torch.manual_seed(0)
        classifier = Classifier(build("resnet10", width=4, image_size=16), 3)
        pretrain(
            classifier,
            torch.from_numpy(images),
            np.arange(len(images)),
            labels,
            replace(Recipe(epochs=5, batch_size=12, learning_rate=0.003), spectral=weight),
            holdout=0.0,
            image_size=16,
            seed=1,
            device=CPU,
        )
        with torch.no_grad():
            lengths.append(spectral_penalty(classifier.backbone(pixels)).item())
    assert lengths[1] < 0.7 * lengths[0]
