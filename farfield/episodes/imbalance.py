"""Query sets whose classes are not equally frequent, out of the queries that every method is asked about.

Episodes hold as many queries of each class, and a transductive method may know it: such a prior is worth
points where it is true and costs more where it is not. So each episode also has a query set with shares from a
symmetric Dirichlet distribution (Veilleux et al., "Realistic Evaluation of Transductive Few-Shot Learning",
NeurIPS 2021, arXiv 2204.11181, with concentration 2). It is a part of the balanced one: no image is drawn anew,
and what a row that answers each query by itself says of it is known from its balanced answers.
"""

from collections.abc import Sequence

import numpy as np

from farfield.seeds import stream

CONCENTRATION = 2.0
QUERIES = ("balanced", "dirichlet")  # the kinds of each episode, in the order in which they are shown


def dirichlet_queries(
    seed: int,
    name: str,
    *,
    way: int,
    shot: int,
    query: int,
    episodes: int,
    concentration: float = CONCENTRATION,
) -> np.ndarray:
    """bool [episodes, way * query], class-major as `Episodes.query`: which queries of each episode are asked.

    Shares p of the classes are Dirichlet(concentration), and class k has round(query p_k / max p) queries: as
    many in all as the `query` of the most frequent class allow, so that shares are those drawn up to rounding,
    and none is cut off. A class may have none. At 5 ways and 15 queries that are 41 on average, between 15
    and 75. They are the first of each class, whose order is random. name: the dataset's. Episode e depends on the
    seed and on e alone.
    """
    key = (seed, "dirichlet queries", name, way, shot, query)
    # Gamma variates over their sum are Dirichlet, and over their largest value what is needed here.
    gamma = np.stack([stream(*key, e).standard_gamma(concentration, way) for e in range(episodes)])
    counts = np.rint(query * gamma / gamma.max(axis=1, keepdims=True))
    return (np.arange(query) < counts[..., None]).reshape(episodes, way * query)


def accuracies(predictions: Sequence[np.ndarray], asked: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Percent [E] of the queries `asked`, bool [E, Q], that are given their class `targets` [Q]."""
    return np.array(
        [100 * np.mean(own == targets[mask]) for own, mask in zip(predictions, asked, strict=True)]
    )
