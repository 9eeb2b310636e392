"""What a routed network answers and decides for every image of a dataset."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from farfield.errors import InputError
from farfield.training.images import evaluation_view
from farfield.training.loop import LabelledImages
from farfield.tuning.decisions import Override
from farfield.tuning.routing import Routed


@dataclass(frozen=True)
class RoutedPredictions:
    """All on the CPU, for N images and L routed blocks.

    predictions: int64 [N], the class given under each override. sampled: int64 [samples, N], under as
    many draws from the policy. actions: uint8 [N, L] by the network's own rule, which is the policy's
    likelier action if nothing else was set: 1 where the block ran tuned. probabilities: float16 [N, L],
    of taking the tuned block.
    """

    predictions: dict[Override, Tensor]
    sampled: Tensor
    actions: Tensor
    probabilities: Tensor


@torch.inference_mode()
def evaluate_routed(
    network: Routed,
    data: LabelledImages,
    overrides: Sequence[Override] = ("argmax",),
    *,
    image_size: int,
    device: torch.device,
    seed: int | None = None,
    samples: int = 0,
    batch_size: int = 256,
) -> RoutedPredictions:
    """Predictions under each of `overrides`, one at least, and `samples` draws from the policy, in one pass.

    An image goes through the policy and all that its paths have in common once. seed: of the draws, the
    network's own by default; each draw depends on it and on the image's pixels alone. The override
    "sampled" is the first of the draws. batch_size: images times paths, so that memory does not grow
    with the number of overrides. InputError if the network has no policy to ask.
    """
    if network.policy is None and ({"argmax", "sampled", "mean"} & {*overrides} or samples):
        raise InputError(
            "this network has no policy whose decisions could be taken or sampled; of its overrides only "
            "all_tuned, all_frozen and random are left"
        )
    network.eval()
    names = list(dict.fromkeys(overrides))
    rules: list[tuple[Override, int]] = [(name, 1) for name in names]
    if samples:
        rules.append(("sampled", samples))
    paths = len(names) + samples
    given, actions, probabilities = [], [], []
    for index in torch.arange(len(data)).split(max(1, batch_size // max(1, paths))):
        images, _ = data.batch(index, device)
        logits = network(evaluation_view(images, image_size), overrides=rules, seed=seed)
        assert network.actions is not None
        assert network.probabilities is not None
        given.append(logits.argmax(-1).cpu())
        actions.append(network.actions.cpu())
        probabilities.append(network.probabilities.half().cpu())
    classes = torch.cat(given, dim=1)
    return RoutedPredictions(
        dict(zip(names, classes, strict=False)),
        classes[len(names) :],
        torch.cat(actions),
        torch.cat(probabilities),
    )


def mean_policy(network: Routed, data: LabelledImages, *, image_size: int, device: torch.device) -> Tensor:
    """[L]: P(tuned) of each routed block, the mean over the images of `data`."""
    # Asked with one rule, so that every image runs through the network once, and through its hooks.
    found = evaluate_routed(network, data, ("all_frozen",), image_size=image_size, device=device)
    return found.probabilities.float().mean(0)
