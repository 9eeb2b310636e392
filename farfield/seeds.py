"""Independent random streams from one named seed.

Every draw in farfield is keyed by what it is for (`"pretrain", epoch`, `"head", episode`), never by
how much was drawn before it. So a run that is resumed, sharded over workers or cut to its first
episodes sees the numbers that the whole run sees.
"""

import zlib

import numpy as np


def stream(seed: int, *key: str | int) -> np.random.Generator:
    """The generator of `key` under `seed`; different keys give independent streams."""
    words = tuple(zlib.crc32(part.encode()) if isinstance(part, str) else part for part in key)
    # As spawn_key: entropy itself is padded with zeros, so that a key would equal one that ends in 0.
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=words)))


def integer_seed(seed: int, *key: str | int) -> int:
    """A 63-bit seed of `key`, for generators that take one integer (torch)."""
    return int(stream(seed, *key).integers(2**63))
