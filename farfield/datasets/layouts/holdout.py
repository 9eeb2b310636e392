"""A train and a test part of each class, for datasets that come without lists of them."""

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from farfield.datasets.layouts.index import Record
from farfield.errors import InputError


def hold_out(
    records: Sequence[Record],
    class_names: Sequence[str],
    holdout: Mapping[str, Any],
    group: Callable[[Record], str] | None = None,
) -> list[Record]:
    """The records, in their order, each of the split "train" or "test".

    holdout: `{share: 0.2}`, of n images of a class floor(0.8 n) are for training, or `{images: 16}`, so many
    of each class for testing; with `seed: 1` the split is another. The test images of a class are those
    with the smallest SHA-256 of "<seed>:<path>": which they are depends on nothing outside the class, and
    anybody can compute it. group: what is hashed instead of the path; images that share it stay together,
    so the last of them may take the test part beyond its number.

    InputError if the section has another form or a class is left without images for training.
    """
    test_count, seed = _rule(holdout)
    classes: defaultdict[int, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row, record in enumerate(records):
        classes[record.label][group(record) if group else record.path].append(row)
    tested: set[int] = set()
    for label, groups in classes.items():
        images = sum(map(len, groups.values()))
        wanted, held = test_count(images), 0
        for name in sorted(groups, key=lambda name: _rank(seed, name)):
            if held >= wanted:
                break
            tested.update(groups[name])
            held += len(groups[name])
        if held >= images:
            raise InputError(
                f"the class {class_names[label]} has {images} images, and the option holdout, "
                f"{dict(holdout)!r}, takes them all for testing; take fewer."
            )
    return [replace(record, split="test" if row in tested else "train") for row, record in enumerate(records)]


def _rank(seed: int, name: str) -> tuple[bytes, str]:
    return hashlib.sha256(f"{seed}:{name}".encode()).digest(), name


def _rule(holdout: Mapping[str, Any]) -> tuple[Callable[[int], int], int]:
    """(images of a class -> how many of them are for testing, seed)."""
    seed = holdout.get("seed", 0)
    match seed, *((name, value) for name, value in holdout.items() if name != "seed"):
        case int(), ("share", float(share)) if 0 < share < 1:
            exact = Fraction(str(share))  # a fifth and not the binary fraction next to it
            return lambda images: math.ceil(images * exact), seed
        case int(), ("images", int(wanted)) if wanted > 0:
            return lambda _: wanted, seed
    raise InputError(
        f"the option holdout is {dict(holdout)!r}; it must look like {{share: 0.2}}, a share between 0 and 1, "
        f"or {{images: 16}}, both of each class, and may have a whole number as seed."
    )
