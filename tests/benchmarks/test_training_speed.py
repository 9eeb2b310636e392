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

    # The two take turns, so that a machine that slows down for a while slows both.
    times = []

    def time_bare():
        start = time.perf_counter()
        bare()
        times.append(time.perf_counter() - start)

    pretraining()
    benchmark.pedantic(pretraining, setup=time_bare, rounds=9)
    fastest = benchmark.stats.stats.min
    share, rate = min(times) / fastest, BATCH * STEPS / fastest
    benchmark.extra_info |= {"images_per_second": round(rate), "share_of_bare": round(share, 3)}
    print(f"\npretraining: {rate:.0f} images/s, {100 * share:.1f} % of the bare forward and backward")
    assert share >= 0.9
