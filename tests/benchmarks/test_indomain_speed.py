"""Heads of the in-domain table: features once instead of a network in every episode, and 600 episodes at
once instead of one after another. The answers are the same."""

import numpy as np
import pytest
import torch

from farfield.backbones import build
from farfield.episodes.evaluation import evaluate
from farfield.episodes.sampling import Episodes, sample_episodes
from farfield.metalearning import meta_learner
from farfield.metalearning.learner import EmbeddingLearner
from farfield.seeds import stream

CPU = torch.device("cpu")
EPISODES = 600
HEADS = {
    "rfs": {},
    "parameter_predictor": {"classes": 8},
    "leo": {"latent": 16, "steps": 2, "weight_steps": 2},
}
# Settings, and how many times as fast 600 are at once. TPN's systems of 80 unknowns take most of its time anyhow.
CONVEX = {"metaopt_ridge": ({}, 10), "metaopt_svm": ({}, 20), "tpn": ({}, 1.5), "r2d2": ({"scale": 10.0}, 10)}


def drawn(shot: int = 1) -> tuple[np.ndarray, Episodes]:
    """Labels of 400 images, and episodes of them."""
    labels = np.arange(400) % 8
    return labels, sample_episodes(labels, way=5, shot=shot, query=15, episodes=EPISODES, seed=0, name="x")


@pytest.mark.parametrize("name", HEADS)
def test_features_once_against_a_network_in_every_episode(ratio, name):
    """Images of 32 pixels through ResNet-12; the reference embeds the 80 images of each episode."""
    _, episodes = drawn()
    torch.manual_seed(0)
    network = build("resnet12_even", width=16, image_size=32).eval()
    head = meta_learner(name, build("features", width=network.feature_dim), 5, HEADS[name]).eval()
    images = torch.from_numpy(stream(0, "images").normal(0, 1, (400, 3, 32, 32)).astype(np.float32))

    @torch.no_grad()
    def once() -> np.ndarray:
        features = torch.cat([network(part) for part in images.split(100)]).numpy()
        return evaluate(in_pieces(head), features, episodes, CPU)["accuracy"].to_numpy()

    @torch.no_grad()
    def every(count: int = 20) -> np.ndarray:
        found = []
        for e in range(count):
            rows = torch.from_numpy(
                np.concatenate([episodes.support[e].reshape(-1), episodes.query[e]])
            ).long()
            embedded = network(images[rows])[None]
            logits = head(embedded[:, :5].unflatten(1, (5, 1)), embedded[:, 5:])
            found.append(100 * (logits[0].argmax(1).numpy() == episodes.query_targets).mean())
        return np.array(found)

    np.testing.assert_allclose(once()[:20], every(), atol=2.7)  # two queries of 75 may lie on the border
    ratio(once, every, least=50, share=20 / EPISODES)


def in_pieces(head: EmbeddingLearner, size: int = 32):
    """Some episodes at a time, whose pairs and sequences would else fill memory."""

    def answer(support: torch.Tensor, query: torch.Tensor, first: int) -> torch.Tensor:
        parts = zip(support.split(size), query.split(size), strict=True)
        return torch.cat([head(one, other) for one, other in parts])

    return answer


@pytest.mark.parametrize("name", CONVEX)
def test_heads_of_600_episodes_at_once_against_one_after_another(ratio, name):
    """One shot of 64 numbers an image, 75 queries."""
    settings, least = CONVEX[name]
    labels, episodes = drawn()
    torch.manual_seed(0)
    centres = stream(0, "centres").normal(0, 1, (8, 64))
    features = (centres[labels] + stream(0, "noise").normal(0, 1, (400, 64))).astype(np.float32)
    network = build("conv4", width=16, image_size=32) if name == "tpn" else build("features", width=64)
    head = meta_learner(name, network, 5, settings).eval()
    support, query = (torch.from_numpy(features[rows]) for rows in (episodes.support, episodes.query))

    @torch.no_grad()
    def together() -> torch.Tensor:
        return head.classify(support, query)

    @torch.no_grad()
    def apart(count: int = 60) -> torch.Tensor:
        return torch.cat([head.classify(support[e : e + 1], query[e : e + 1]) for e in range(count)])

    torch.testing.assert_close(together()[:60], apart(), atol=1e-3, rtol=1e-3)
    ratio(together, apart, least=least, share=60 / EPISODES)
