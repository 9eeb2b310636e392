"""How the networks of several episodes are laid out on the device at hand.

The rules are fixed and not timed as the run starts, so that the same run on the same machine gives the
same bytes. They come from `test_layout_of_each_layer` in tests/benchmarks/test_finetuning_speed.py.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from farfield.transfer.finetuning.layers import State
from farfield.transfer.finetuning.stacking import EpisodeByEpisode, stack

MOST = {"cpu": 8, "cuda": 32}  # episodes of one network
BYTES = {"cpu": 40 * 2**20, "cuda": 2**30}  # trained weights of one network; their gradients take as much
# Multiplications of a convolution on a minibatch of one episode, from which stacking no longer pays.
LARGE = 64 * 10**6
FEW_CHANNELS = 8
SMALL = 4  # positions of a map up to which a convolution runs as a matrix product


def episodes_together(trained: Sequence[nn.Module], device: torch.device) -> int:
    """How many episodes are trained as one network."""
    size = sum(p.nbytes for layer in trained for p in layer.parameters())
    kind = "cuda" if device.type == "cuda" else "cpu"
    return max(1, min(MOST[kind], BYTES[kind] // max(size, 1)))


def lay_out(layers: Sequence[nn.Module], sample: State, batch_size: int, episodes: int) -> list[nn.Module]:
    """Copies of `layers` for `episodes` episodes; `sample` is a state of one image that enters them."""
    on_cpu = sample[0].device.type == "cpu"
    out: list[nn.Module] = []
    for layer in layers:
        shapes: dict[str, tuple[torch.Size, torch.Size]] = {}
        convolutions = {name: m for name, m in layer.named_modules() if isinstance(m, nn.Conv2d)}
        handles = [m.register_forward_hook(partial(_note, shapes, n)) for n, m in convolutions.items()]
        sample = layer(sample)
        for handle in handles:
            handle.remove()
        work = max(shapes[n][1].numel() * m.weight[0].numel() * batch_size for n, m in convolutions.items())
        few = min(m.in_channels for m in convolutions.values()) < FEW_CHANNELS
        products = {
            name: (shapes[name][0][2], shapes[name][0][3])
            for name, m in convolutions.items()
            if m.kernel_size == (1, 1) or shapes[name][1][2:].numel() <= SMALL
        }
        if on_cpu and (work > LARGE or few):
            out.append(EpisodeByEpisode(layer, episodes))
        else:
            out.append(stack(layer, episodes, products if on_cpu else {}))
    return out


def _note(
    shapes: dict[str, tuple[torch.Size, torch.Size]],
    name: str,
    module: nn.Module,
    inputs: tuple[Tensor],
    output: Tensor,
) -> None:
    shapes[name] = inputs[0].shape, output.shape
