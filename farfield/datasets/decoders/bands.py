"""From any number of bands to the three that a network takes.

| bands | what red, green and blue are |
|---|---|
| 1 | the band, three times |
| 2 | the first, the second, and their mean |
| 3 | the bands |
| more, of a file that says that the first three are red, green and blue | the first three |
| more | the means of three groups of neighbours; red is the last, of satellites that of the longest waves |
| a card's `packing.channels` | the bands with these numbers, from 1, in this order; then as above |
"""

from collections.abc import Sequence

import numpy as np

from farfield.datasets.decoders.values import UnreadableImageError


def chosen(values: np.ndarray, channels: Sequence[int]) -> np.ndarray:
    """The bands [h, w, k] of values [h, w, c] that have these numbers, from 1; all if none is given."""
    if not channels:
        return values
    if max(channels) > values.shape[2]:
        raise UnreadableImageError(f"it has {values.shape[2]} bands; bands {list(channels)} are asked for")
    return values[..., [number - 1 for number in channels]]


def to_three(values: np.ndarray, colour: bool) -> np.ndarray:
    """One band or three [h, w, 1 or 3] of values [h, w, c], by the table. colour: the first three are RGB."""
    bands = values.shape[2]
    if bands in (1, 3):
        return values
    if colour and bands > 3:
        return values[..., :3]
    if bands == 2:
        mean = values.mean(axis=2, keepdims=True, dtype=np.float32)
        return np.concatenate([values.astype(np.float32), mean], axis=2)
    return np.stack([values[..., group].mean(axis=2, dtype=np.float32) for group in groups(bands)], axis=2)


def groups(bands: int) -> list[list[int]]:
    """The bands, from 0, whose means are red, green and blue by the table, where nothing says which are."""
    if bands < 3:
        return [[0], [bands - 1], list(range(bands))]
    return [group.tolist() for group in np.array_split(np.arange(bands), 3)[:: -1 if bands > 3 else 1]]


def shown(bands: int, colour: bool, channels: Sequence[int]) -> str:
    """What a report says of `to_three(chosen(...))`; empty where there is nothing to say."""
    if channels:
        return f"bands {', '.join(map(str, channels))} of {bands}"
    if bands in (1, 3):
        return ""
    if colour and bands > 3:
        return f"bands 1, 2, 3 of {bands}"
    if bands == 2:
        return "2 bands, with their mean as the third"
    red, green, blue = (_named(group) for group in groups(bands))
    return f"{bands} bands, shown as {red} (red), {green} (green) and {blue} (blue)"


def _named(group: Sequence[int]) -> str:
    return f"{group[0] + 1}" if len(group) == 1 else f"the mean of {group[0] + 1} to {group[-1] + 1}"
