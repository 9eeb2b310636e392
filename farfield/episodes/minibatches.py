"""The order in which images are visited while something is fitted to them."""

import sys
from collections.abc import Iterator

import numpy as np
from tqdm import tqdm

from farfield.seeds import stream


def minibatch_orders(seed: int, episodes: int, epochs: int, images: int, first: int = 0) -> np.ndarray:
    """int64 [episodes, epochs, images]: for each episode and epoch a permutation of its support.

    Every method that visits minibatches takes them from here, so that episode e of a batched run and
    of a serial one see the same images in the same order. `first` is the number of the first episode.
    """
    orders = np.empty((episodes, epochs, images), dtype=np.int64)
    for e in range(episodes):
        keys = stream(seed, "minibatches", images, first + e).random((epochs, images))
        orders[e] = np.argsort(keys, axis=1)
    return orders


def minibatches(seed: int, epochs: int, images: int, size: int, title: str) -> Iterator[np.ndarray]:
    """Rows of each minibatch of a training on all images, in the order of episode 0."""
    steps = epochs * -(-images // size)
    with tqdm(total=steps, desc=title, unit="step", file=sys.stderr, mininterval=1) as bar:
        for order in minibatch_orders(seed, 1, epochs, images)[0]:
            for start in range(0, images, size):
                yield order[start : start + size]
                bar.update()


def affordable_epochs(epochs: int, images: int, batch_size: int, most_steps: int) -> int:
    """`epochs`, or as many as `most_steps` minibatches allow, at least one of them.

    Epochs are set for the tens of images of an episode. A hundred over thousands of images are many more
    steps than any episode takes.
    """
    return min(epochs, max(1, most_steps // -(-images // batch_size)))
