"""What a multi-task network costs: parameters, and multiply-accumulates (MACs) an image.

In two conventions. The published tables (AdaShare, arXiv 1911.12423) count the backbone alone, at
224x224, and one execution of it for each task, though tasks start alike. Beside that stands what the
whole network, heads included, holds and really computes. All is read off the modules.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from farfield.sharing.deeplab import DeeplabResNet
from farfield.sharing.heads import AsppHead

Size = int | tuple[int, int]  # of an image: a side, or height and width
PUBLISHED_SIZE = 224


@dataclass(frozen=True)
class Cost:
    """One row of a table of costs.

    backbone_parameters: all that is neither a head nor skipped by every task, in multiples of one
        backbone. parameters: of the whole network, absolute.
    backbone_macs: as published, see above. macs: of the whole network for one image of all tasks, each
        thing that is computed once counted once.
    """

    backbone_parameters: float
    parameters: int
    backbone_macs: int
    macs: int


@dataclass(frozen=True)
class BackboneMacs:
    """MACs of one image through each piece of a backbone; shortcuts run whether a block does or not."""

    stem: int
    blocks: tuple[int, ...]
    shortcuts: tuple[int, ...]

    def of(self, runs: Sequence[bool]) -> int:
        """Of one task that runs the blocks of `runs` [L]."""
        run = sum(macs for macs, runs_it in zip(self.blocks, runs, strict=True) if runs_it)
        return self.stem + sum(self.shortcuts) + run


def measure(network: nn.Module, size: Size = PUBLISHED_SIZE) -> dict[str, int]:
    """MACs of an image in each module that computes any, by its name; "" is the whole network.

    Convolutions and products of matrices are counted, by what runs in evaluation. Nothing is computed:
    parameters and buffers of floats are replaced by tensors without content, and `network` stays as it
    is.
    """
    from torch.utils.flop_counter import FlopCounterMode  # imports triton

    height, width = (size, size) if isinstance(size, int) else size
    state = {
        name: torch.empty_like(tensor, device="meta")
        for name, tensor in [*network.named_parameters(), *network.named_buffers()]
        if tensor.is_floating_point()
    }
    totals: dict[str, int] = {}
    with torch.no_grad(), _evaluating(network), FlopCounterMode(display=False) as counter:
        started: dict[str, int] = {}
        hooks = []
        for name, module in network.named_modules():

            def begin(*_: object, name: str = name) -> None:
                started[name] = counter.get_total_flops()

            def end(*_: object, name: str = name) -> None:
                flops = counter.get_total_flops() - started[name]
                totals[name] = totals.get(name, 0) + flops // 2

            hooks += [module.register_forward_pre_hook(begin), module.register_forward_hook(end)]
        try:
            functional_call(network, state, (torch.empty(1, 3, height, width, device="meta"),))
        finally:
            for hook in hooks:
                hook.remove()
    return totals


def piece_macs(backbone: DeeplabResNet, size: Size = PUBLISHED_SIZE) -> BackboneMacs:
    """What each piece of a backbone costs for one image, all blocks being run."""
    found = measure(backbone, size)
    return BackboneMacs(
        stem=found["stem"],
        blocks=tuple(found[f"blocks.{block}"] for block in range(len(backbone.blocks))),
        shortcuts=tuple(found[f"shortcuts.{block}"] for block in range(len(backbone.blocks))),
    )


def backbone_macs(
    backbone: DeeplabResNet, size: Size = PUBLISHED_SIZE, runs: Sequence[bool] | None = None
) -> int:
    """MACs of one task, which runs the blocks of `runs` [L], all by default."""
    return piece_macs(backbone, size).of([True] * len(backbone.blocks) if runs is None else runs)


def table_macs(
    backbone: DeeplabResNet, runs: Tensor | Sequence[Sequence[bool]], size: Size = PUBLISHED_SIZE
) -> int:
    """MACs as the published tables count them: the sum over tasks of each one's own execution.

    runs: [K, L].
    """
    pieces = piece_macs(backbone, size)
    return sum(pieces.of(task) for task in _rows(runs))


def shared_macs(
    backbone: DeeplabResNet, runs: Tensor | Sequence[Sequence[bool]], size: Size = PUBLISHED_SIZE
) -> int:
    """MACs when what tasks have in common is computed once, as `execution.hard_features` does.

    runs: [K, L].
    """
    pieces = piece_macs(backbone, size)
    rows = [tuple(row) for row in _rows(runs)]
    total = pieces.stem
    for block, (function, shortcut) in enumerate(zip(pieces.blocks, pieces.shortcuts, strict=True)):
        ways = {row[:block] for row in rows}
        running = {row[:block] for row in rows if row[block]}
        total += len(ways) * shortcut + len(running) * function
    return total


def parameters(network: nn.Module) -> int:
    """All of them, each counted once."""
    return sum(parameter.numel() for parameter in network.parameters())


def head_parameters(network: nn.Module) -> int:
    """Of the heads of all tasks."""
    return sum(parameters(head) for head in _heads(network).values())


def unused_parameters(backbone: DeeplabResNet, runs: Tensor | Sequence[Sequence[bool]]) -> int:
    """Of the blocks that no task runs."""
    rows = _rows(runs)
    return sum(
        parameters(function)
        for block, function in enumerate(backbone.blocks)
        if not any(row[block] for row in rows)
    )


def cost(
    network: nn.Module,
    backbone: DeeplabResNet,
    runs: Tensor | Sequence[Sequence[bool]] | None = None,
    size: Size = PUBLISHED_SIZE,
) -> Cost:
    """What `network`, images to predictions, costs; its heads are the `AsppHead` modules in it.

    backbone: one plain backbone of the kind that the network is made of: the unit of parameters.
    runs: [K, L], if the tasks share one such backbone: then blocks that no task runs are not counted,
        and the published convention has one execution for each task. Without it all of the network but
        its heads is counted, as it runs.
    """
    macs = measure(network, size)
    total, heads = parameters(network), head_parameters(network)
    unused = 0 if runs is None else unused_parameters(backbone, runs)
    outside_heads = macs[""] - sum(macs[name] for name in _heads(network))
    return Cost(
        backbone_parameters=(total - heads - unused) / parameters(backbone),
        parameters=total - unused,
        backbone_macs=outside_heads if runs is None else table_macs(backbone, runs, size),
        macs=macs[""],
    )


def _heads(network: nn.Module) -> dict[str, nn.Module]:
    return {name: module for name, module in network.named_modules() if isinstance(module, AsppHead)}


def _rows(runs: Tensor | Sequence[Sequence[bool]]) -> Sequence[Sequence[bool]]:
    return runs.tolist() if isinstance(runs, Tensor) else runs


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
