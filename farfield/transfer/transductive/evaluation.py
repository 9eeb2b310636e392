"""Run a transductive head over a list of episodes, with balanced and with Dirichlet queries."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from farfield.episodes.evaluation import CHUNK_BYTES
from farfield.episodes.imbalance import QUERIES, accuracies
from farfield.episodes.sampling import Episodes
from farfield.transfer.transductive.head import TransductiveHead

if TYPE_CHECKING:
    import pandas as pd

TOGETHER = 32  # episodes; results do not depend on it


def evaluate(
    head: TransductiveHead,
    start: Tensor | None,
    features: np.ndarray,
    episodes: Episodes,
    asked: np.ndarray,
    device: torch.device,
) -> "pd.DataFrame":
    """One row an episode and kind of queries; columns queries (one of QUERIES), episode, accuracy (percent of the
    queries asked) and predictions, int16 of each query that was asked.

    start: log-probabilities that the head starts from, if any, of `starting`. features: float [n, d], indexed by
    the episodes' rows. asked: bool [E, way * query], the Dirichlet queries, of `dirichlet_queries`.
    """
    import pandas as pd

    count = len(episodes.rows)
    kinds = dict(zip(QUERIES, (np.ones_like(asked), asked), strict=True))
    predictions = {
        kind: answers(head, features, episodes, start, mask, device) for kind, mask in kinds.items()
    }
    tables = [
        pd.DataFrame(
            {
                "queries": kind,
                "episode": np.arange(count, dtype=np.int32),
                "accuracy": accuracies(predictions[kind], mask, episodes.query_targets),
                "predictions": predictions[kind],
            }
        )
        for kind, mask in kinds.items()
    ]
    return pd.concat(tables, ignore_index=True)


def starting(
    classify: Callable[[Tensor, Tensor, int], Tensor],
    features: np.ndarray,
    episodes: Episodes,
    device: torch.device,
) -> Tensor:
    """Log-probabilities [E, way * query, way] of all queries, each by itself.

    classify: what `farfield.episodes.evaluation.evaluate` asks; it is fitted to the support alone, and so the
    same for both kinds of queries. features: float [n, d], those that it reads.
    """
    count, way, shot = episodes.support.shape
    images = way * shot + episodes.query.shape[1]
    chunk = max(1, CHUNK_BYTES // (images * features[0].nbytes))
    parts = []
    for first in range(0, count, chunk):
        some = slice(first, first + chunk)
        support = torch.from_numpy(features[episodes.support[some]]).to(device)
        query = torch.from_numpy(features[episodes.query[some]]).to(device)
        parts.append(classify(support, query, first).log_softmax(-1))
    return torch.cat(parts)


def answers(
    head: TransductiveHead,
    features: np.ndarray,
    episodes: Episodes,
    start: Tensor | None,
    asked: np.ndarray,
    device: torch.device,
) -> list[np.ndarray]:
    """The class, int16, that the head gives each query that is asked, by episode [E].

    start: [E, way * query, way] or None; asked: bool [E, way * query]. Episodes with as many queries are answered
    together, and never so many that their features leave a processor's cache.
    """
    found: list[np.ndarray] = [np.empty(0, np.int16)] * len(asked)
    support_rows, query_rows, numbers = episodes.support, episodes.query, asked.sum(1)
    groups = [np.flatnonzero(numbers == number) for number in np.unique(numbers)]
    for alike in (
        part for group in groups for part in np.split(group, range(TOGETHER, len(group), TOGETHER))
    ):
        places = np.nonzero(asked[alike])[1].reshape(len(alike), -1)
        rows = alike[:, None]
        support = torch.from_numpy(features[support_rows[alike]]).to(device)
        query = torch.from_numpy(features[query_rows[rows, places]]).to(device)
        begin = None if start is None else start[torch.from_numpy(rows), torch.from_numpy(places)]
        classes = head(support, query, begin).argmax(-1).to("cpu", torch.int16).numpy()
        for episode, given in zip(alike, classes, strict=True):
            found[episode] = given
    return found
