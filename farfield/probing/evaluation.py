"""Candidates for a classifier of all of a user's classes, by the images that each has not learned from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from farfield.errors import InputError
from farfield.probing.features import BLOCKS
from farfield.probing.logistic import PENALTIES, Basis, Fits, averaged, basis, fit
from farfield.probing.measures import Measures, difference, measure

FOLDS, REPEATS = 5, 2
AXES = 512  # of features; more change no accuracy that we measured, and take longer
SIMILAR = 1.25  # times the cost of the cheapest, which no one tells from it: blocks of one pass cost the same
NEAR = 1.0  # percentage points that a cheaper candidate may lie below the best


@dataclass(frozen=True)
class Candidate:
    """Logistic regression on blocks, one after the other. A block is named "<source>.<block>"; the source is a
    network, "<network> mirrored" where blocks are means over an image and its mirror image, or "image" for plain
    pixels. cost: seconds an image, to see it."""

    key: str
    title: str
    blocks: tuple[str, ...]
    cost: float
    mirrored: bool = False


@dataclass(frozen=True)
class Tested:
    """basis: of what it learns from. logits: float32 [repeats, n, classes] of left-out images."""

    candidate: Candidate
    basis: Basis
    logits: np.ndarray
    measures: Measures
    right: np.ndarray  # [n], the share of its answers that are right


def parts_of(labels: np.ndarray, groups: np.ndarray | None, seed: int) -> np.ndarray:
    """int [repeats, n]: which part each image is left out with; stratified, groups never on both sides.

    As many parts as the smallest class has images, 2 to 5. InputError if a class has a single image, or lies in
    a single group.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    units = np.arange(len(labels)) if groups is None else groups
    fewest = min(len(np.unique(units[labels == label])) for label in np.unique(labels))
    if fewest < 2:
        what = "image" if groups is None else "group"
        raise InputError(
            f"a class lies in a single {what}, so nothing of it could be left out to test on; add images, or "
            f"take the class out"
        )
    parts = np.zeros((REPEATS, len(labels)), dtype=np.int64)
    splitter = StratifiedKFold if groups is None else StratifiedGroupKFold
    for repeat in range(REPEATS):
        split = splitter(min(FOLDS, fewest), shuffle=True, random_state=seed + repeat)
        for part, (_, left_out) in enumerate(split.split(labels, labels, groups)):
            parts[repeat, left_out] = part
    return parts


def of_network(name: str, cost: float, title: str = "") -> list[Candidate]:
    """What is tried of a network that takes `cost` seconds to see an image, from cheap to dear. title: how tables
    call it, if not by its name."""
    title = title or name
    plain, twice = f"{name}.", f"{name} mirrored."
    both, every = ("features", "stages"), BLOCKS

    def blocks(source: str, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(source + each for each in names)

    return [
        Candidate(name, f"{title}, its features", blocks(plain, both[:1]), cost),
        Candidate(f"{name}_stages", f"{title}, its features and stages", blocks(plain, both), cost),
        Candidate(f"{name}_maps", f"{title}, all it makes of its maps", blocks(plain, every), cost),
        Candidate(
            f"{name}_stages_mirrored",
            f"{title}, its features and stages, of the image and its mirror image",
            blocks(twice, both),
            2 * cost,
            True,
        ),
        Candidate(
            f"{name}_maps_mirrored",
            f"{title}, all it makes of its maps, of the image and its mirror image",
            blocks(twice, every),
            2 * cost,
            True,
        ),
    ]


def joined(blocks: Mapping[str, Tensor], names: Sequence[str]) -> Tensor:
    return torch.cat([blocks[name] for name in names], dim=1)


def test(candidate: Candidate, blocks: Mapping[str, Tensor], labels: np.ndarray, parts: np.ndarray) -> Tested:
    """Fit it without each part of each repeat, and ask it about that part."""
    found = basis(joined(blocks, candidate.blocks), AXES)
    logits = left_out_logits(found, labels, parts)
    right = (logits.argmax(-1) == labels).mean(0)
    return Tested(candidate, found, logits, measure(logits, labels, parts), right)


def left_out_logits(found: Basis, labels: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """float32 [repeats, n, classes], of fits that leave out the image with its part [repeats, n]."""
    left_out = [(repeat, own == part) for repeat, own in enumerate(parts) for part in np.unique(own)]
    used = torch.from_numpy(np.stack([~inside for _, inside in left_out])).float()
    given = _fits(found, labels, used).logits(found.coordinates).numpy()
    logits = np.zeros((len(parts), *given.shape[1:]), dtype=np.float32)
    for (repeat, inside), answers in zip(left_out, given, strict=True):
        logits[repeat, inside] = answers[inside]
    return logits


def ask(
    candidate: Candidate, blocks: Mapping[str, Tensor], labels: np.ndarray, asked: np.ndarray
) -> np.ndarray:
    """Logits [m, classes] of the images that `asked`, bool [n], marks, of a fit to the others: a test split."""
    features = joined(blocks, candidate.blocks)
    learned = torch.from_numpy(~asked)
    weight, bias = fit_all(basis(features[learned], AXES), labels[~asked])
    logits: np.ndarray = (features[~learned] @ weight.T + bias).numpy()
    return logits


def recommended(tested: Sequence[Tested], units: np.ndarray | None = None) -> Tested:
    """The cheapest that the images do not tell from the most accurate, and that is within `NEAR` points of it.

    units: int [n], equal for images that belong together. Of those that cost about the same, up to `SIMILAR`
    times as much, the more accurate.
    """
    best = max(tested, key=lambda one: one.measures.accuracy)
    tied = []
    for one in tested:
        gap, half = difference(best.right, one.right, units)
        if one is best or (gap <= half and gap <= NEAR):
            tied.append(one)
    cheap = SIMILAR * min(one.candidate.cost for one in tied)
    affordable = [one for one in tied if one.candidate.cost <= cheap]
    return max(affordable, key=lambda one: (one.measures.accuracy, -one.candidate.cost))


def fit_all(found: Basis, labels: np.ndarray) -> tuple[Tensor, Tensor]:
    """weight [classes, d] and bias [classes] of the classifier of all images, for features as `found` is of."""
    fits = _fits(found, labels, torch.ones(1, len(labels)))
    weight = found.axes @ fits.weight[0]
    return weight.T.contiguous(), fits.bias[0] - found.mean @ weight


def _fits(found: Basis, labels: np.ndarray, used: Tensor) -> Fits:
    """One fit for each part of the images `used` [parts, n], averaged over `PENALTIES`."""
    classes = int(labels.max()) + 1
    targets = torch.from_numpy(labels.astype(np.int64))
    return averaged(fit(found, targets, classes, used, PENALTIES), len(PENALTIES))
