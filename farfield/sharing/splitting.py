"""The two parts of the training set between which a search alternates."""

from dataclasses import replace

import torch

from farfield.errors import InputError
from farfield.seeds import stream
from farfield.sharing.dense import DenseImages


def split(data: DenseImages, share: float, seed: int, key: str = "split") -> tuple[DenseImages, DenseImages]:
    """A random `share` of the images, and the others; each keeps the order of `data`.

    InputError if a part would be empty.
    """
    count = round(share * len(data))
    if not 0 < count < len(data):
        raise InputError(
            f"{len(data)} images cannot be split into {share:.0%} and the rest, since one part would have "
            f"none; give more images or another share"
        )
    first = torch.zeros(len(data), dtype=torch.bool)
    first[torch.from_numpy(stream(seed, key).permutation(len(data))[:count])] = True
    return replace(data, rows=data.rows[first]), replace(data, rows=data.rows[~first])
