"""Which blocks run tuned in evaluation: the policy's own rule, or another in its place."""

import zlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from farfield.errors import InputError
from farfield.seeds import stream

# "argmax": the likelier action. "sampled": drawn as in training, which the released code does in
# evaluation too. "all_tuned": the paper's "running fine-tuned blocks". "random": a fair coin. "mean": the
# likelier action by the mean of the policy over the training images, the same for every image.
Override = Literal["argmax", "sampled", "all_tuned", "all_frozen", "random", "mean"]
OVERRIDES: tuple[Override, ...] = ("argmax", "sampled", "all_tuned", "all_frozen", "random", "mean")
_GREY_LEVELS = 32  # to which an image is rounded for its key, in each unit of normalised intensity


def image_keys(images: Tensor) -> list[int]:
    """A number for each normalised image [n, 3, h, w] that depends on its pixels alone.

    They are rounded first: the last bits of a float differ between devices and places in a batch.
    """
    pixels = (images.float() * _GREY_LEVELS).round().to(torch.int16).contiguous().cpu().numpy()
    return [zlib.crc32(image) for image in pixels]


def decide(
    rules: Sequence[tuple[Override, int]],
    probabilities: Tensor,
    images: Tensor,
    seed: int,
    mean: Tensor | None = None,
) -> Tensor:
    """Actions bool [K, n, L] for P(tuned) [n, L] of images [n, 3, h, w].

    mean: [L], that of P(tuned) over training images, for the rule "mean".

    rules: pairs of a rule and how many decisions it is to make, K in all; those of a rule that draws
    nothing are alike. What is drawn depends on the seed, the image's pixels and the number of the draw
    alone: neither on the batch the image is in, nor on how many draws are asked for. InputError for an
    unknown rule.
    """
    drawn = any(rule in ("sampled", "random") for rule, _ in rules)
    keys = image_keys(images) if drawn else []
    return torch.cat([_decisions(rule, count, probabilities, keys, seed, mean) for rule, count in rules])


def _decisions(
    rule: Override, count: int, probabilities: Tensor, keys: Sequence[int], seed: int, mean: Tensor | None
) -> Tensor:
    if rule not in OVERRIDES:
        raise InputError(f"an override of the policy is one of {', '.join(OVERRIDES)}, found {rule!r}")
    if rule in ("sampled", "random"):
        shape = (count, probabilities.shape[1])
        uniform = np.stack([stream(seed, rule, key).random(shape, np.float32) for key in keys], axis=1)
        threshold = probabilities if rule == "sampled" else torch.full_like(probabilities, 0.5)
        return torch.from_numpy(uniform).to(probabilities.device) < threshold
    if rule == "mean":
        if mean is None:
            raise InputError(
                "the mean policy is not known; ask `mean_policy` for that over the training images first"
            )
        actions = (mean > 0.5).to(probabilities.device).expand_as(probabilities)
    elif rule == "argmax":
        actions = probabilities > 0.5
    else:
        actions = torch.full_like(probabilities, rule == "all_tuned", dtype=torch.bool)
    return actions.expand(count, *actions.shape)
