"""Fine-tuning a network to all images of all classes, by the recipes that answer episodes.

An episode has as many images of each class; here classes keep their sizes, so a head that is trained
also learns how frequent each class is in the folder. For the rest a training is that of episode 0 with
all images as its support: the same initial head, the same kind of minibatches, the same optimizers.
"""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.backbones.backbone import Backbone
from farfield.deployment.classifier import ImageClassifier, head_logits
from farfield.episodes.minibatches import minibatches
from farfield.training.images import evaluation_view
from farfield.training.recipe import SGD
from farfield.transfer.finetuning.layers import State, chain
from farfield.transfer.finetuning.settings import FineTuning
from farfield.transfer.finetuning.stacking import stack
from farfield.transfer.learner import Head
from farfield.transfer.linear_head import initial_heads


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

    for batch in minibatches(seed, epochs, len(labels), settings.batch_size, title):
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
