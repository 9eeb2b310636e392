"""Run a transductive head over a list of episodes, with balanced and with Dirichlet queries."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from farfield.episodes.evaluation import CHUNK_BYTES
from farfield.episodes.imbalance import accuracies
from farfield.episodes.sampling import Episodes
from farfield.transfer.learner import Learner
from farfield.transfer.transductive.head import TransductiveHead

if TYPE_CHECKING:
    import pandas as pd

QUERIES = ("balanced", "dirichlet")


def evaluate(
    head: TransductiveHead,
    learner: Learner[Tensor, Any] | None,
    features: np.ndarray,
    episodes: Episodes,
    asked: np.ndarray,
    device: torch.device,
) -> "pd.DataFrame":
    """One row an episode and kind of queries; columns queries (one of QUERIES), episode, accuracy (percent of the
    queries asked) and predictions, int16 of each query that was asked.

    learner: whose probabilities the head starts from, if any; fitted to the support alone, and so the same for
    both kinds. features: float [n, d], indexed by the episodes' rows. asked: bool [E, way * query], the Dirichlet
    queries, of `dirichlet_queries`.
    """
    import pandas as pd

    count, way, shot = episodes.support.shape
    images = way * shot + episodes.query.shape[1]
    chunk = max(1, CHUNK_BYTES // (images * features[0].nbytes))
    kinds = dict(zip(QUERIES, (np.ones_like(asked), asked), strict=True))
    predictions: dict[str, list[np.ndarray]] = {kind: [] for kind in kinds}
    for first in range(0, count, chunk):
        some = slice(first, first + chunk)
        support = torch.from_numpy(features[episodes.support[some]]).to(device)
        query = torch.from_numpy(features[episodes.query[some]]).to(device)
        start = learner(support, query, first).log_softmax(-1) if learner else None
        for kind, mask in kinds.items():
            predictions[kind] += answers(head, support, query, start, mask[some])
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


def answers(
    head: TransductiveHead, support: Tensor, query: Tensor, start: Tensor | None, asked: np.ndarray
) -> list[np.ndarray]:
    """The class, int16, that the head gives each query that is asked, by episode [E].

    Shapes as in `TransductiveHead`; asked: bool [E, Q]. Episodes with as many queries are answered together.
    """
    found: list[np.ndarray] = [np.empty(0, np.int16)] * len(asked)
    numbers = asked.sum(1)
    for number in np.unique(numbers):
        alike = np.flatnonzero(numbers == number)
        rows, mask = (torch.from_numpy(array).to(query.device) for array in (alike, asked[alike]))
        own = query[rows][mask].unflatten(0, (len(alike), number))
        begin = None if start is None else start[rows][mask].unflatten(0, (len(alike), number))
        classes = head(support[rows], own, begin).argmax(-1).to("cpu", torch.int16).numpy()
        for episode, given in zip(alike, classes, strict=True):
            found[episode] = given
    return found
