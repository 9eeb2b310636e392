"""The head of a task: four dilated branches whose outputs are summed (DeepLab v2, arXiv 1606.00915)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.errors import InputError


class DilatedConv2d(nn.Conv2d):
    """A 3x3 convolution with bias whose padding and dilation are `rate`.

    Where the map is no larger than the rate, the outer taps see nothing but padding: they are left out,
    which changes neither output nor gradient. At 7x7 that is 8 of 9 taps of the rates 12, 18 and 24.
    """

    def __init__(self, inputs: int, outputs: int, rate: int) -> None:
        super().__init__(inputs, outputs, 3, padding=rate, dilation=rate)
        self.rate = rate

    def forward(self, input: Tensor) -> Tensor:
        taps, padding = zip(*(self._taps(size) for size in input.shape[2:]), strict=True)
        weight = self.weight[:, :, taps[0], taps[1]]
        return F.conv2d(input, weight, self.bias, padding=padding, dilation=self.dilation)

    def _taps(self, size: int) -> tuple[slice, int]:
        return (slice(1, 2), 0) if size <= self.rate else (slice(None), self.rate)


class Dropout(nn.Dropout):
    """Dropout by a comparison: torch's own kernel takes several times as long on the CPU."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return input
        return input * (torch.rand_like(input) >= self.p) * (1 / (1 - self.p))


class AsppHead(nn.Module):
    """Features [n, in_features, h, w] to a prediction [n, out_channels, h, w] of the same size.

    A branch is a 3x3 convolution with its rate of dilation, ReLU, dropout, 1x1 convolution, ReLU,
    dropout and a 1x1 convolution to the output; there is neither a norm nor pooling over the image.
    Weights start as PyTorch's own. With 512 features in: 23,076,864 + 4,100 out_channels parameters.
    """

    def __init__(
        self,
        in_features: int,
        out_channels: int,
        mid: int = 1024,
        rates: Sequence[int] = (6, 12, 18, 24),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if mid < 1 or not rates or not 0 <= dropout < 1:
            raise InputError(
                f"A head needs mid of at least 1, some rates, and dropout from 0 to below 1; found mid {mid}, "
                f"rates {tuple(rates)}, dropout {dropout}"
            )
        self.out_channels = out_channels
        self.branches = nn.ModuleList(
            nn.Sequential(
                DilatedConv2d(in_features, mid, rate),
                nn.ReLU(inplace=True),
                Dropout(dropout),
                nn.Conv2d(mid, mid, 1),
                nn.ReLU(inplace=True),
                Dropout(dropout),
                nn.Conv2d(mid, out_channels, 1),
            )
            for rate in rates
        )

    def forward(self, features: Tensor) -> Tensor:
        outputs = [branch(features) for branch in self.branches]
        return sum(outputs[1:], outputs[0])
