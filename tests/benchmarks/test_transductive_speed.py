"""Transductive heads on 600 episodes against one episode at a time: easyfsl's classes, and scikit-learn for label
propagation, which easyfsl has not."""

import warnings

import numpy as np
import pytest
import torch
from easyfsl.methods import BDCSPN as EasyBDCSPN
from easyfsl.methods import LaplacianShot as EasyLaplacianShot
from sklearn.semi_supervised import LabelSpreading

from farfield.episodes.sampling import sample_episodes
from farfield.transfer.transductive.bd_cspn import BDCSPN
from farfield.transfer.transductive.evaluation import answers
from farfield.transfer.transductive.label_propagation import LabelPropagation
from farfield.transfer.transductive.laplacian_shot import LaplacianShot

EPISODES, WAY, SHOT, QUERY = 600, 5, 5, 15
TARGETS = torch.arange(WAY).repeat_interleave(SHOT)
CPU = torch.device("cpu")


@pytest.fixture(scope="module", params=[128, 512], ids=["128 features", "512 features"])
def task(request):
    """Features of 1,500 images of ten classes, and 600 episodes of them."""
    random, labels = np.random.default_rng(0), np.arange(1500) % 10
    centres = random.normal(0, 0.5, (10, request.param))[labels]
    features = (centres + random.normal(0, 1, centres.shape)).clip(0).astype(np.float32)
    given = {"way": WAY, "shot": SHOT, "query": QUERY, "episodes": EPISODES, "seed": 0, "name": "x"}
    return features, sample_episodes(labels, **given)


def ours(head, features, episodes):
    return answers(head, features, episodes, None, np.ones(episodes.query.shape, dtype=bool), CPU)


def easy(kind, features, episodes, few):
    found = []
    with torch.no_grad():
        for e in range(few):
            model = kind()
            model.process_support_set(torch.from_numpy(features[episodes.support[e].ravel()]), TARGETS)
            found.append(model(torch.from_numpy(features[episodes.query[e]])).argmax(-1).numpy())
    return found


@pytest.mark.parametrize(
    ("head", "kind", "least"),
    [(BDCSPN(), EasyBDCSPN, 4), (LaplacianShot(), EasyLaplacianShot, 3)],
    ids=["BD-CSPN", "LaplacianShot"],
)
def test_heads_of_600_episodes_against_easyfsl(ratio, task, head, kind, least):
    alike = np.mean([a == b for a, b in zip(ours(head, *task), easy(kind, *task, 60), strict=False)])
    print(f"\n{100 * alike:.1f} % of answers are those of easyfsl, which deviates")
    ratio(lambda: ours(head, *task), lambda: easy(kind, *task, 60), least=least, share=60 / EPISODES)


def test_label_propagation_of_600_episodes_against_scikit_learn(ratio, task):
    features, episodes = task
    labels = np.concatenate([TARGETS, np.full(WAY * QUERY, -1)])

    def plain():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its graph of neighbours may leave queries without a label
            for e in range(10):
                points = features[np.concatenate([episodes.support[e].ravel(), episodes.query[e]])]
                LabelSpreading(kernel="knn", n_neighbors=10, alpha=0.5).fit(points, labels)

    ratio(lambda: ours(LabelPropagation(), *task), plain, least=3, share=10 / EPISODES)
