"""Images that are nearly the same picture, by two witnesses: their features and a hash of what they look like.

The hash has a bit for each of the 64 lowest frequencies of the grey image, set where the cosine transform is
above the median (Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010). Mirroring
an image changes signs of odd frequencies and turning it swaps the axes, so the hashes of all eight copies come
from one transform.
"""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import PurePath

import numpy as np
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from farfield.datasets.channels import levels
from farfield.probing.diagnosis import Duplicates
from farfield.probing.features import stretches

SIDE, LOW = 32, 8  # pixels of the grey image that is hashed, frequencies an axis
# The cosine from which two images are one picture: where hashes agree, more for each bit in which they differ,
# and where the hash is not asked. Of 200,000 pairs of different images, textures, satellite images and sketches
# have a handful beyond it; most copies that were compressed, mirrored, halved, brightened or cut lie there.
ALIKE, A_BIT, SAME = 0.85, 0.0075, 0.97


def spectra(images: np.ndarray) -> np.ndarray:
    """float [n, 8, 8], the lowest frequencies of packed images [n, h, w, c] in grey; the constant one is 0."""
    found = np.stack([_low(image) for image in images])
    found[:, 0, 0] = 0
    return found


def _low(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    grey = levels(image).sum(-1, dtype=np.uint16).astype(np.float32)
    sums = _box(height) @ grey @ _box(width).T
    low: np.ndarray = dctn(sums, norm="ortho")[:LOW, :LOW]
    return low


@cache
def _box(side: int) -> np.ndarray:
    """[32, side]: means over as many stretches of equal length, pixels at their ends taken in part."""
    means: np.ndarray = stretches(side, SIDE).numpy()
    return means


def signs(spectrum: np.ndarray) -> np.ndarray:
    """The hash as -1 and 1, float32 [n, 64], of spectra [n, 8, 8]."""
    flat = spectrum.reshape(len(spectrum), -1)
    return np.where(flat > np.median(flat, axis=1, keepdims=True), 1, -1).astype(np.float32)


def differing_bits(spectrum: np.ndarray) -> np.ndarray:
    """int [n, n]: in how many bits of 64 the hashes of two images differ, the least over the eight ways to mirror
    and turn one of them."""
    odd = (-1.0) ** np.arange(LOW)
    own, most = signs(spectrum), None
    for turned in (spectrum, spectrum.swapaxes(1, 2)):
        for across in (np.ones(LOW), odd):
            for down in (np.ones(LOW), odd):
                alike = own @ signs(turned * across * down[:, None]).T
                most = alike if most is None else np.maximum(most, alike)
    assert most is not None
    return ((LOW * LOW - most) / 2).round().astype(np.int64)


def near_duplicates(
    features: np.ndarray, images: np.ndarray, labels: np.ndarray, parts: np.ndarray
) -> Duplicates:
    """features: [n, d], of length one. images: packed, [n, h, w, c]. parts: int [repeats, n]."""
    cosine, bits = features @ features.T, differing_bits(spectra(images))
    bits = np.minimum(bits, bits.T)
    first, second = np.nonzero(np.triu(cosine >= np.minimum(ALIKE + A_BIT * bits, SAME), 1))
    order = np.lexsort((second, first, -cosine[first, second].round(6)))
    first, second = first[order], second[order]
    return Duplicates(
        pairs=np.stack([first, second], axis=1),
        cosine=cosine[first, second],
        bits=bits[first, second],
        same_class=labels[first] == labels[second],
        same_part=(parts[:, first] == parts[:, second]).all(0),
        clusters=clusters(first, second, len(labels)),
    )


def clusters(first: np.ndarray, second: np.ndarray, count: int) -> np.ndarray:
    """int [count], from 0: equal for things that pairs `first`, `second` connect."""
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def merged(groups: np.ndarray, others: np.ndarray) -> np.ndarray:
    """int [n], from 0: the finest groups that divide neither those of `groups` nor those of `others`."""
    pairs = [np.unique(each, return_index=True, return_inverse=True)[1:] for each in (groups, others)]
    first = np.concatenate([leader[place.ravel()] for leader, place in pairs])
    return clusters(first, np.tile(np.arange(len(groups)), 2), len(groups))


_NUMBERED = re.compile(
    r"^(.*?)[\W_]*(?:copy|aug|crop|flip|rot|frame|slice|view|img|image)?[\W_]*\d+\W*$", re.I
)


def groups_of_names(paths: Sequence[str], labels: np.ndarray) -> np.ndarray | None:
    """Groups that file names suggest: int [n], equal where folder and name agree up to a last number, as those of
    p07_1.png and p07_2.png. None unless most images share theirs with another and every class has two groups."""
    names = []
    for path in map(PurePath, paths):
        found = _NUMBERED.match(path.stem)
        names.append(str(path.parent / (found[1] if found and found[1] else path.stem)))
    groups, sizes = np.unique(names, return_inverse=True, return_counts=True)[1:]
    alone = (sizes[groups] == 1).mean()
    fewest = min(len(np.unique(groups[labels == label])) for label in np.unique(labels))
    return groups if alone < 0.5 and fewest >= 2 else None
