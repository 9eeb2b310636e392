"""The residual blocks of a network: the units that fine-tuning freezes, copies or routes."""

from collections.abc import Iterator

from torch import nn

from farfield.errors import InputError

# What the blocks of farfield, torchvision and most other residual networks have in common.
_BLOCK_PARTS = {"conv1", "bn1", "conv2"}


def residual_blocks(network: nn.Module) -> dict[str, nn.Module]:
    """{module name: block} in the order of execution; `network.set_submodule(name, ...)` replaces one.

    A block is complete: a map goes in and, with shortcut and last ReLU, a map comes out. It is
    recognised by its children conv1, bn1 and conv2, of whatever class they are. Blocks are expected to
    be registered in the order in which they run, as in every sequential network.

    InputError if the network has none.
    """
    blocks = dict(_outermost(network))
    if not blocks:
        raise InputError(
            f"a {type(network).__name__} has no residual blocks (modules that hold "
            f"{', '.join(sorted(_BLOCK_PARTS))}), and this method works on them. Choose a residual "
            f"backbone, such as resnet26 or resnet50."
        )
    return blocks


def _outermost(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    for name, child in module.named_children():
        if _BLOCK_PARTS.issubset(part for part, _ in child.named_children()):
            yield prefix + name, child
        else:
            yield from _outermost(child, f"{prefix}{name}.")
