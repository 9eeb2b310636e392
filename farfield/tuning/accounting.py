"""What a method costs: parameters kept for all tasks, and multiply-accumulates an image.

As the Visual Decathlon counts (Rebuffi et al., arXiv 1705.08045): one source network and the tasks
adapted from it, in multiples of one network; heads are left out. All is read off the modules.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from farfield.backbones.channels import channels_of
from farfield.networks.adapters import adapter_convolutions
from farfield.tuning.adapted import FixedNorm

HEADS = ("head", "source_head")
POLICY = "policy"
FULL_PRECISION = 32  # bits of a parameter


@dataclass(frozen=True)
class Cost:
    """Parameters, in units of 32 bits.

    unit: one network without adapters. source: the source network, which is kept once, for its own
    task and for all that share its weights. shared: of an adapted network, what is the source's
    unchanged. task: what one task keeps for itself. policy: of its policy network. statistics: running
    means and variances that move with the task, which published counts leave out, and so does
    `total_ratio`.
    """

    unit: int
    source: int
    shared: int
    task: float
    policy: float
    statistics: int
    tasks: int

    @property
    def total_ratio(self) -> float:
        """Of the source and all tasks together, in networks: the published column "#par"."""
        return (self.source + self.tasks * (self.task + self.policy)) / self.unit


def cost(adapted: nn.Module, source: nn.Module, tasks: int = 9) -> Cost:
    """The cost of `tasks` networks like `adapted`, which was made from the backbone `source`.

    A parameter is shared if it is frozen and equal to one of the source's; whatever is trained, or was
    before it was frozen, is the task's. A module may keep fewer bits for a task than it trains with:
    its attribute `parameter_bits`, {own parameter name: bits}, says so. Parameters under a module
    called `head` or `source_head` are not counted, those under `policy` on their own, all of them.
    """
    originals = _by_shape(source.parameters())
    shared, task, policy = 0, 0.0, 0.0
    for name, parameter in adapted.named_parameters():
        *path, own = name.split(".")
        if POLICY not in path and any(head in path for head in HEADS):
            continue
        if not parameter.requires_grad and _is_among(parameter, originals):
            shared += parameter.numel()
            continue
        bits = getattr(adapted.get_submodule(".".join(path)), "parameter_bits", {}).get(own, FULL_PRECISION)
        size = parameter.numel() * bits / FULL_PRECISION
        if POLICY in path:
            policy += size
        else:
            task += size
    moving = [m for m in adapted.modules() if isinstance(m, nn.BatchNorm2d) and not isinstance(m, FixedNorm)]
    total = _count(source.parameters())
    return Cost(
        unit=total - _count(_adapter_parameters(source)),
        source=total,
        shared=shared,
        task=task,
        policy=policy,
        statistics=sum(2 * norm.num_features for norm in moving if norm.track_running_stats),
        tasks=tasks,
    )


def _count(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)


def _adapter_parameters(network: nn.Module) -> list[Tensor]:
    """All that adapters add to the convolutions they stand at."""
    return [
        parameter
        for convolution in adapter_convolutions(network)
        for child in convolution.children()
        for parameter in child.parameters()
    ]


def _by_shape(tensors: Iterable[Tensor]) -> dict[torch.Size, list[Tensor]]:
    found: dict[torch.Size, list[Tensor]] = {}
    for tensor in tensors:
        found.setdefault(tensor.shape, []).append(tensor.detach().cpu())
    return found


def _is_among(tensor: Tensor, originals: dict[torch.Size, list[Tensor]]) -> bool:
    candidate = tensor.detach().cpu()
    return any(torch.equal(candidate, original) for original in originals.get(tensor.shape, []))


@torch.no_grad()
def macs(network: nn.Module, size: int | tuple[int, int]) -> int:
    """Multiply-accumulates of convolutions and linear layers for one image of `size` (height, width).

    Counted in evaluation on one image of zeros by what really runs, so that a routed network counts
    the branch that it takes. `network` is left as it was.
    """
    height, width = (size, size) if isinstance(size, int) else size
    total = 0

    def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        del inputs
        if isinstance(module, nn.Conv2d):
            kernel = module.kernel_size[0] * module.kernel_size[1]
            total += output.numel() * kernel * module.in_channels // module.groups
        elif isinstance(module, nn.Linear):
            total += output.numel() * module.in_features

    modes = {module: module.training for module in network.modules()}
    hooks = [module.register_forward_hook(add) for module in modes]
    parameter = next(network.parameters())
    try:
        network.eval()
        shape = 1, channels_of(network), height, width
        network(torch.zeros(shape, device=parameter.device, dtype=parameter.dtype))
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in modes.items():
            module.training = mode
    return total
