"""Fitting a classifier to all images of all classes, by the recipes that answer episodes.

An episode has as many images of each class; here classes keep their sizes, so a head that is trained
also learns how frequent each class is in the folder. For the rest a training is that of episode 0 with
all images as its support: the same initial head, the same kind of minibatches, the same optimizers.
"""

import copy
import sys
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from farfield.backbones.backbone import Backbone
from farfield.deployment.classifier import Head, ImageClassifier, head_logits
from farfield.episodes.minibatches import minibatch_orders
from farfield.training.images import evaluation_view
from farfield.training.recipe import SGD
from farfield.transfer.finetuning.layers import State, chain
from farfield.transfer.finetuning.settings import FineTuning
from farfield.transfer.finetuning.stacking import stack
from farfield.transfer.linear_head import HeadTraining, initial_heads
from farfield.transfer.nearest_centroid import NearestCentroid


def affordable_epochs(epochs: int, images: int, batch_size: int, most_steps: int) -> int:
    """`epochs`, or as many as `most_steps` minibatches allow, at least one of them.

    Epochs are set for the tens of images of an episode. A hundred over thousands of images are many more
    steps than any episode takes.
    """
    return min(epochs, max(1, most_steps // -(-images // batch_size)))


def fit_head(
    features: Tensor, labels: np.ndarray, classes: int, training: HeadTraining, seed: int, epochs: int
) -> Head:
    """A linear head on features [n, d] with class indices `labels` [n], as LinearHead trains it."""
    weight, bias = (part[0].to(features) for part in initial_heads(seed, 1, classes, features.shape[1]))
    weight, bias = weight.requires_grad_(), bias[0].clone().requires_grad_()
    optimizer = _optimizer([weight, bias], training)
    targets = torch.from_numpy(labels).long().to(features.device)
    for batch in _minibatches(len(labels), epochs, training.batch_size, seed, "fitting the head"):
        rows = torch.from_numpy(batch).to(features.device)
        optimizer.zero_grad()
        F.cross_entropy(F.linear(features[rows], weight, bias), targets[rows]).backward()
        optimizer.step()
    return Head(weight.detach(), bias.detach())


def class_means(features: Tensor, labels: np.ndarray, classes: int, nearest: NearestCentroid) -> Head:
    """The head that classifies as `nearest` does, from features [n, d].

    -||f - c||^2 and 2 c f - ||c||^2 differ by ||f||^2, the same for all classes: a linear head gives
    the same probabilities.
    """
    targets = torch.from_numpy(labels).long().to(features.device)
    sums = torch.zeros(classes, features.shape[1], dtype=torch.float64, device=features.device)
    sums.index_add_(0, targets, features.double())
    means = sums / torch.bincount(targets, minlength=classes)[:, None]
    if nearest.distance == "cosine":
        return Head(means.float(), torch.zeros(classes, device=features.device), scale=1.0)
    return Head((2 * means).float(), -(means**2).sum(1).float())


def fit_network(
    backbone: Backbone,
    images: np.ndarray,
    labels: np.ndarray,
    classes: int,
    settings: FineTuning,
    *,
    image_size: int,
    seed: int,
    device: torch.device,
    epochs: int,
    title: str,
) -> ImageClassifier:
    """A copy of `backbone`, and a head, fine-tuned on packed images uint8 [n, H, W, 3] with class
    indices `labels` [n], as `fine_tune` adapts them to an episode. One minibatch is in memory at a time.
    """
    adapted = copy.deepcopy(backbone).to(device).requires_grad_()
    links = chain(adapted)
    frozen = links.frozen(settings.last, settings.unit)
    # Copies whose BatchNorm takes a minibatch with a single value a channel, as in episodes.
    layers = [stack(layer, 1) for layer in links.layers]
    for number, layer in enumerate(layers):
        layer.train(number >= frozen or settings.frozen_norm == "train")
    weight, bias = (part[0].to(device) for part in initial_heads(seed, 1, classes, backbone.feature_dim))
    weight, bias = weight.requires_grad_(), bias[0].clone().requires_grad_()
    scale = settings.scale if settings.classifier == "cosine" else None
    head = [weight] if scale is not None else [weight, bias]
    moving = [parameter for layer in layers[frozen:] for parameter in layer.parameters()]
    optimizers = _optimizer(moving, settings.backbone), _optimizer(head, settings.head)
    targets = torch.from_numpy(labels).long().to(device)

    for batch in _minibatches(len(labels), epochs, settings.batch_size, seed, title):
        pixels = torch.from_numpy(images[batch]).to(device)
        maps = _through(layers, frozen, (evaluation_view(pixels, image_size),))
        logits = head_logits(adapted.pool(maps[0]), weight, bias, scale)
        loss = F.cross_entropy(logits, targets[torch.from_numpy(batch).to(device)])
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()

    for original, layer in zip(links.layers, layers, strict=True):
        original.load_state_dict(layer.state_dict())  # into `adapted`, whose parts the links are
    return ImageClassifier(adapted, Head(weight, bias, scale)).eval()


def _through(layers: list[nn.Module], frozen: int, state: State) -> State:
    with torch.no_grad():
        for layer in layers[:frozen]:
            state = layer(state)
    for layer in layers[frozen:]:
        state = layer(state)
    return state


def _optimizer(parameters: Sequence[Tensor], settings: SGD) -> torch.optim.SGD:
    return torch.optim.SGD(
        parameters,
        lr=settings.learning_rate,
        momentum=settings.momentum,
        dampening=settings.dampening,
        weight_decay=settings.weight_decay,
    )


def _minibatches(images: int, epochs: int, size: int, seed: int, title: str) -> Iterator[np.ndarray]:
    """Rows of each minibatch, in the order of `minibatch_orders` of episode 0."""
    steps = epochs * -(-images // size)
    with tqdm(total=steps, desc=title, unit="step", file=sys.stderr, mininterval=1) as bar:
        for order in minibatch_orders(seed, 1, epochs, images)[0]:
            for start in range(0, images, size):
                yield order[start : start + size]
                bar.update()
