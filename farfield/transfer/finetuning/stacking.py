"""The networks of E episodes as one network.

Channels are stacked: a map of E episodes is [b, E * C, H, W]. A convolution with E groups then applies
to each episode its own kernels, and BatchNorm, which treats every channel by itself, keeps the exact
statistics of every episode. Everything else acts on single positions.

What this saves is the fixed cost of an operation, which is most of a step on small maps. On large maps
and on images of three channels a grouped convolution is slower than E plain ones, and such a
layer runs episode by episode, channels last in memory.
"""

import copy
from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.errors import InputError
from farfield.transfer.finetuning.layers import State

M = TypeVar("M", bound=nn.Module)


class StackedNorm(nn.BatchNorm2d):
    """BatchNorm of E * C channels.

    A channel with a single value (one image, map of one position) has no variance, and torch refuses
    it; there the running statistics are used and stay as they are.
    """

    def forward(self, x: Tensor) -> Tensor:
        several = x.shape[0] * x.shape[2] * x.shape[3] > 1
        return F.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training and several,
            self.momentum or 0.0,
            self.eps,
        )


class StackedProduct(nn.Module):
    """A convolution of E episodes as one batched matrix product, for 1x1 kernels and the smallest maps.

    There a grouped convolution spends its time on rearranging the kernels, which are larger than the
    maps. Taps that meet nothing but padding, eight of nine on a map of one position, are left out:
    they neither reach the output nor get a gradient.

    weight [E, out, in * taps] times columns [E, in * taps, b * positions] is the output. The gradient of
    the weight is the output's times the columns, a large matrix of low rank; `Descent` adds it to the
    weight without writing it out, so the weight itself asks for no gradient.
    """

    columns: Tensor
    output: Tensor

    def __init__(self, layer: nn.Conv2d, episodes: int, size: tuple[int, int]) -> None:
        super().__init__()
        weight, padding = layer.weight.detach(), (int(layer.padding[0]), int(layer.padding[1]))
        for axis in (0, 1):
            taps, start = _reached(layer, axis, size[axis])
            weight = weight.narrow(2 + axis, start, taps)
            padding = (padding[0] - start, padding[1]) if axis == 0 else (padding[0], padding[1] - start)
        self.kernel, self.padding, self.stride = tuple(weight.shape[2:]), padding, layer.stride
        self.weight = nn.Parameter(_repeated(weight.flatten(1)[None], episodes), requires_grad=False)
        self.bias = None
        if layer.bias is not None:
            self.bias = nn.Parameter(_repeated(layer.bias.detach()[None, :, None], episodes))

    def forward(self, x: Tensor) -> Tensor:
        images, episodes = len(x), len(self.weight)
        sides = [
            (n + 2 * p - k) // s + 1
            for n, p, k, s in zip(x.shape[2:], self.padding, self.kernel, self.stride, strict=True)
        ]
        if self.kernel == (1, 1):
            columns = x[:, :, :: self.stride[0], :: self.stride[1]].flatten(2)
        else:
            columns = F.unfold(x, self.kernel, padding=self.padding, stride=self.stride)
        columns = columns.unflatten(1, (episodes, -1)).permute(1, 2, 0, 3).flatten(2)
        if self.bias is None:
            y = torch.bmm(self.weight, columns)
        else:
            y = torch.baddbmm(self.bias, self.weight, columns)
        if torch.is_grad_enabled():
            self.columns, self.output = columns, y if y.requires_grad else y.requires_grad_()
        return y.unflatten(2, (images, *sides)).permute(2, 0, 1, 3, 4).flatten(1, 2)


def _reached(layer: nn.Conv2d, axis: int, size: int) -> tuple[int, int]:
    """How many taps of the kernel meet the map along an axis of `size` positions, and the first of them.

    All of them, unless leaving some out keeps the padding the same on both sides.
    """
    taps, stride, padding = layer.kernel_size[axis], layer.stride[axis], int(layer.padding[axis])
    outputs = (size + 2 * padding - taps) // stride + 1
    reached = [t for t in range(taps) if any(0 <= o * stride + t - padding < size for o in range(outputs))]
    first, count = reached[0], len(reached)
    same = first <= padding and (size + 2 * (padding - first) - count) // stride + 1 == outputs
    return (count, first) if same else (taps, 0)


class EpisodeByEpisode(nn.Module):
    """A copy of a layer for each episode; stacked states in and out."""

    def __init__(self, layer: nn.Module, episodes: int) -> None:
        super().__init__()
        copies = nn.ModuleList(stack(layer, 1) for _ in range(episodes))
        self.copies = copies.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, state: State) -> State:
        pieces = zip(*(maps.chunk(len(self.copies), dim=1) for maps in state), strict=True)
        results = [
            copy(tuple(maps.contiguous(memory_format=torch.channels_last) for maps in piece))
            for copy, piece in zip(self.copies, pieces, strict=True)
        ]
        return tuple(
            torch.cat([maps.contiguous() for maps in each], dim=1) for each in zip(*results, strict=True)
        )


def stack(
    layer: nn.Module, episodes: int, products: Mapping[str, tuple[int, int]] | None = None
) -> nn.Module:
    """A copy of `layer` that holds its parameters and statistics once for each episode.

    products: {name of a convolution: height and width of its input} of those to run as products.
    """
    products = products or {}
    copied = copy.deepcopy(layer)
    for path, parent in list(copied.named_modules()):
        for name, child in list(parent.named_children()):
            full = f"{path}.{name}" if path else name
            if full in products:
                setattr(parent, name, StackedProduct(child, episodes, products[full]))
            elif type(child) is nn.Conv2d:
                setattr(parent, name, _stacked_convolution(child, episodes))
            elif type(child) is nn.BatchNorm2d:
                setattr(parent, name, _stacked_norm(child, episodes))
            elif next(child.parameters(recurse=False), None) is not None:
                raise InputError(f"a layer of type {type(child).__name__} cannot be fine-tuned")
    return copied


def _stacked_convolution(layer: nn.Conv2d, episodes: int) -> nn.Conv2d:
    stacked = nn.Conv2d(
        layer.in_channels * episodes,
        layer.out_channels * episodes,
        layer.kernel_size,  # type: ignore[arg-type]
        layer.stride,  # type: ignore[arg-type]
        layer.padding,  # type: ignore[arg-type]
        groups=episodes,
        bias=layer.bias is not None,
        device="meta",
    )
    return _filled(stacked, layer, episodes)


def _stacked_norm(layer: nn.BatchNorm2d, episodes: int) -> nn.BatchNorm2d:
    stacked = StackedNorm(layer.num_features * episodes, layer.eps, layer.momentum, device="meta")
    return _filled(stacked, layer, episodes)


def _filled(stacked: M, layer: nn.Module, episodes: int) -> M:
    """Give `stacked` the tensors of `layer`, repeated along their first axis."""
    for name, parameter in layer.named_parameters():
        setattr(stacked, name, nn.Parameter(_repeated(parameter.detach(), episodes)))
    for name, buffer in layer.named_buffers():
        setattr(stacked, name, _repeated(buffer, episodes) if buffer.dim() else buffer.clone())
    return stacked


def _repeated(tensor: Tensor, episodes: int) -> Tensor:
    return tensor.repeat(episodes, *[1] * (tensor.dim() - 1))
