"""Run a learner over a list of episodes of a featured dataset."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from farfield.episodes.sampling import Episodes

if TYPE_CHECKING:
    import pandas as pd

CHUNK_BYTES = 512 * 2**20  # gathered at once; results do not depend on it


def evaluate(
    classify: Callable[[Tensor, Tensor, int], Tensor],
    features: np.ndarray,
    episodes: Episodes,
    device: torch.device,
) -> "pd.DataFrame":
    """One row an episode: see `scores`.

    classify: from support [E, way, shot, ...], query [E, way * queries, ...] and the number of the first of
    these episodes to logits, such as a learner on features. features: float [n, ...], vectors or maps, indexed
    by the episodes' rows.
    """
    count, way, shot = episodes.support.shape
    images = way * shot + episodes.query.shape[1]
    chunk = max(1, CHUNK_BYTES // (images * features[0].nbytes))
    parts = []
    for start in range(0, count, chunk):
        support = torch.from_numpy(features[episodes.support[start : start + chunk]]).to(device)
        query = torch.from_numpy(features[episodes.query[start : start + chunk]]).to(device)
        parts.append(classify(support, query, start).cpu())
    return scores(torch.cat(parts), episodes)


def scores(logits: Tensor, episodes: Episodes) -> "pd.DataFrame":
    """One row an episode; columns episode, accuracy (percent of its queries) and predictions, int16.

    logits: [E, way * query, way], of each query for each way; a query is given the highest.
    """
    import pandas as pd

    predictions = logits.argmax(-1).to("cpu", torch.int16).numpy()
    correct = predictions == episodes.query_targets
    return pd.DataFrame(
        {
            "episode": np.arange(len(predictions), dtype=np.int32),
            "accuracy": 100 * correct.mean(axis=1),
            "predictions": list(predictions),
        }
    )
