"""Between the resolution of predictions, 1/8 of the image, and that of targets: always nearest.

Both directions use the index rule of `torch.nn.functional.interpolate(mode="nearest")`, as AdaShare's
code does: output pixel i is input pixel floor(i * input size / output size).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

Size = tuple[int, int] | torch.Size


def to_prediction(target: Tensor, size: Size) -> Tensor:
    """A target [B, H, W] or [B, C, H, W] at the predictions' size (h, w), for losses."""
    return _nearest(target, size)


def to_target(prediction: Tensor, size: Size) -> Tensor:
    """A prediction [B, C, h, w], or classes int64 [B, h, w], at the targets' size (H, W), for metrics."""
    return _nearest(prediction, size)


def _nearest(values: Tensor, size: Size) -> Tensor:
    if values.shape[-2:] == tuple(size):
        return values
    # interpolate takes no integers; an index copies any type, NaN included.
    for dimension, wanted in ((-2, size[0]), (-1, size[1])):
        places = torch.arange(values.shape[dimension], dtype=torch.float32, device=values.device)
        chosen = F.interpolate(places[None, None], size=wanted, mode="nearest")[0, 0].long()
        values = values.index_select(dimension, chosen)
    return values
