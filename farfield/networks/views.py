"""Views of an image that show the same thing: which of them keep a label depends on what is in the image.

A leaf, a field from above or a lesion has no upright position, and may be mirrored or turned. A chest has a
heart on one side, and a page is read from left to right: these are shown plain or from a little nearer.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from farfield.training.recipe import View

_NEAR = 7 / 8  # of the image's side


def show(images: Tensor, view: View) -> Tensor:
    """Normalised images [n, c, s, s] as `view` shows them: mirrored at the vertical axis; turned by a quarter;
    turned by a half; or the middle seven eighths, enlarged (bilinear)."""
    if view == "plain":
        return images
    if view == "mirrored":
        return images.flip(-1)
    if view == "turned":
        return images.rot90(1, (-2, -1))
    if view == "upside_down":
        return images.rot90(2, (-2, -1))
    size = images.shape[-1]
    kept = round(_NEAR * size)
    first = (size - kept) // 2
    middle = images[..., first : first + kept, first : first + kept]
    return F.interpolate(middle, size=(size, size), mode="bilinear")


def shown(images: Tensor, views: Sequence[View]) -> Tensor:
    """[..., V, c, s, s]: images [..., c, s, s] in each of V views."""
    flat = images.flatten(0, -4)
    return torch.stack([show(flat, view) for view in views], 1).unflatten(0, images.shape[:-3])
