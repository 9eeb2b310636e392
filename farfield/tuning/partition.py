"""Which rows each branch of each block has to see, so that nothing is computed twice or for nothing."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Rows(NamedTuple):
    """Rows of a block's input, int64, that its branches see; its output is theirs one after the other."""

    frozen: Tensor
    tuned: Tensor


def partition(actions: Tensor) -> tuple[list[Rows], Tensor]:
    """The rows of each block, and the rows of the last output that answer: int64 [K * n].

    actions: bool [K, n, L]; the first block sees n images, and each image is to take K paths, path k
    through the branches actions[k, i]. Paths of an image share all blocks up to where they part. So
    with K = 1 every row goes through each block once, and with more than that as rarely as it can.
    The order of rows is never restored in between: that would be one more copy a block.
    """
    paths, images, blocks = actions.shape
    tuned = actions.reshape(paths * images, blocks).cpu().numpy()
    row = np.tile(np.arange(images), paths)  # of the current map, for each path
    steps = []
    for choice in tuned.T:
        sides = [np.unique(row[choice == side]) for side in (False, True)]
        steps.append(Rows(*(torch.from_numpy(side).to(actions.device) for side in sides)))
        places = [np.searchsorted(side, row) for side in sides]
        row = np.where(choice, len(sides[0]) + places[1], places[0])
    return steps, torch.from_numpy(row).to(actions.device)


def take(maps: Tensor, rows: Tensor) -> Tensor:
    """maps[rows], of maps [n, C, h, w] in channels-last memory or plain; `maps` itself if it is all of
    them in order, as sorted unique rows are."""
    if len(rows) == len(maps):
        return maps
    # By a view whose rows lie in one piece, which index_select copies whole: 15 times faster on a CPU.
    return maps.permute(0, 2, 3, 1).index_select(0, rows).permute(0, 3, 1, 2)
