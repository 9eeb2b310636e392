"""The order in which an episode's support images are visited while something is fitted to them."""

import numpy as np

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
