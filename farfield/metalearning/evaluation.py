"""Run a meta-learner over a list of episodes of packed images."""

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from farfield.backbones.channels import with_channels
from farfield.episodes.evaluation import evaluate, scores
from farfield.episodes.sampling import Episodes
from farfield.metalearning.learner import EmbeddingLearner, MetaLearner
from farfield.training.images import evaluation_view

if TYPE_CHECKING:
    import pandas as pd


AT_ONCE = 32  # episodes on features: heads that look at pairs or sequences make much of each


def evaluate_meta(
    learner: MetaLearner,
    images: Tensor,
    episodes: Episodes,
    *,
    image_size: int,
    device: torch.device,
    first: int = 0,
    title: str = "",
) -> "pd.DataFrame":
    """Answer `episodes` in evaluation mode; columns as of `farfield.episodes.evaluation.scores`.

    images: packed [N, H, W, c], indexed by the episodes' rows; or features [N, d] for a learner on these. first:
    the number of the first episode in its list; an answer depends on its episode and its number alone. title: of
    the progress bar over episodes, for learners that adapt to each; none if empty.
    """
    if images.ndim == 4:
        learner = with_channels(learner, images.shape[3])
    learner.to(device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    if images.ndim == 2:
        table = _by_features(learner, images, episodes, device)
    elif isinstance(learner, EmbeddingLearner):
        table = _by_embedding(learner, images, episodes, image_size, device)
    else:
        table = _one_by_one(learner, images, episodes, image_size, device, first, title)
    return table.assign(episode=(table["episode"] + first).astype(np.int32))


def _one_by_one(
    learner: MetaLearner,
    images: Tensor,
    episodes: Episodes,
    image_size: int,
    device: torch.device,
    first: int,
    title: str,
) -> "pd.DataFrame":
    logits = []
    numbers = range(len(episodes.rows))
    for e in tqdm(numbers, desc=title, unit="episode", file=sys.stderr, disable=not title):
        support = _pixels(images, episodes.support[e], image_size, device)
        query = _pixels(images, episodes.query[e], image_size, device)
        logits.append(learner(support, query, first + e).detach().cpu())
    return scores(torch.cat(logits), episodes)


def _pixels(images: Tensor, rows: np.ndarray, image_size: int, device: torch.device) -> Tensor:
    """Rows [...] of one episode to the evaluation view [1, ..., 3, image_size, image_size]."""
    index = torch.from_numpy(rows.reshape(-1)).long().to(images.device)
    return evaluation_view(images[index].to(device), image_size).unflatten(0, (1, *rows.shape))


@torch.no_grad()  # not inference mode: some adapt to each episode by gradients
def _by_features(
    learner: MetaLearner, features: Tensor, episodes: Episodes, device: torch.device
) -> "pd.DataFrame":
    def answer(support: Tensor, query: Tensor, first: int) -> Tensor:
        starts = range(0, len(support), AT_ONCE)
        return torch.cat(
            [learner(support[i : i + AT_ONCE], query[i : i + AT_ONCE], first + i) for i in starts]
        )

    return evaluate(answer, features.cpu().numpy(), episodes, device)


@torch.inference_mode()
def _by_embedding(
    learner: EmbeddingLearner, images: Tensor, episodes: Episodes, image_size: int, device: torch.device
) -> "pd.DataFrame":
    """Embed every image that occurs once, then compare embeddings: an image has one whatever its episode."""
    used, places = np.unique(episodes.rows, return_inverse=True)
    embeddings = np.concatenate(
        [
            learner.embed(_pixels(images, batch, image_size, device)[0]).float().cpu().numpy()
            for batch in np.array_split(used, -(-len(used) // 256))
        ]
    )
    local = replace(episodes, rows=places.reshape(episodes.rows.shape))
    return evaluate(lambda support, query, first: learner.classify(support, query), embeddings, local, device)
