"""Pretraining keeps the processor busy with the network, not with data."""

import time

import numpy as np
import torch
from torch.nn import functional as F

from farfield.backbones import build
from farfield.training.classifier import Classifier
from farfield.training.images import evaluation_view
from farfield.training.loop import LabelledImages, fit
from farfield.training.recipe import Recipe

BATCH, STEPS = 64, 10


def test_pretraining_against_the_bare_forward_and_backward(benchmark):
    """ResNet-10 of the mini profile: width 32, 64 px, batches of 64, augmented and optimised."""
    packed = np.random.default_rng(0).integers(0, 256, (BATCH * STEPS, 73, 73, 3), dtype=np.uint8)
    images, targets = torch.from_numpy(packed), torch.arange(BATCH * STEPS) % 64
    data = LabelledImages(images, torch.arange(BATCH * STEPS), targets)
    network = Classifier(build("resnet10", width=32), 64)
    recipe = Recipe(epochs=1, batch_size=BATCH)

    def pretraining():
        fit(network, data, recipe, image_size=64, seed=0, device=torch.device("cpu"))

    pixels = evaluation_view(images[:BATCH], 64)

    def bare():
        network.train()
        for _ in range(STEPS):
            network.zero_grad(set_to_none=True)
            F.cross_entropy(network(pixels), targets[:BATCH]).backward()

    # The two take turns, often, and the fastest turn of each counts: other load only adds time.
    bare_times, own_times = [], []

    def timed(function, times):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)

    pretraining()
    benchmark.pedantic(
        lambda: timed(pretraining, own_times), setup=lambda: timed(bare, bare_times), rounds=25
    )
    share, rate = min(bare_times) / min(own_times), BATCH * STEPS / min(own_times)
    benchmark.extra_info |= {"images_per_second": round(rate), "share_of_bare": round(share, 3)}
    print(f"\npretraining: {rate:.0f} images/s, {100 * share:.1f} % of the bare forward and backward")
    assert share >= 0.9
