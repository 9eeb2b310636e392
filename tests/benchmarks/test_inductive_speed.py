"""Heads on blocks of frozen features, all episodes at once, against scikit-learn one episode after another.

`python tests/benchmarks/test_inductive_speed.py FEATURES EPISODES` compares the heads on real features instead:
FEATURES is a folder that `embed` wrote, EPISODES one with its targets' lists of episodes.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from farfield.episodes.evaluation import evaluate
from farfield.episodes.sampling import load_episodes, sample_episodes
from farfield.episodes.statistics import mean_interval
from farfield.files import read_json
from farfield.seeds import stream
from farfield.transfer.blocks import reading, view
from farfield.transfer.gram_logistic import fit
from farfield.transfer.hyper_ensemble import HyperEnsemble
from farfield.transfer.linear_head import LinearHead
from farfield.transfer.logistic import Logistic
from farfield.transfer.nearest_centroid import NearestCentroid
from farfield.transfer.ridge import Ridge

CPU = torch.device("cpu")
LEAST = {5: 30, 20: 5}  # times as fast, by shots
HEADS = {
    "Fixed": LinearHead(seed=4),
    "Nearest centroid": NearestCentroid(),
    "Ridge, leave-one-out": Ridge(),
    "Logistic, C left out": Logistic(penalties=(0.1, 1.0, 10.0, 100.0)),
    "farfield (inductive)": HyperEnsemble(),
}
# What the design was compared with: one thing taken away or fixed at a time.
VARIANTS = {
    "Logistic, C = 10, root": Logistic(),
    "the same, features alone": Logistic(stages=0),
    "Ensemble of root alone": HyperEnsemble(normalisations=("root",)),
    "Ensemble with the last block alone beside": HyperEnsemble(layers=("last", "all")),
}


def features(images: int, classes: int, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Rectified Gaussian features [n, dim] and labels."""
    random = stream(0, "benchmark", images, dim)
    labels = np.arange(images) % classes
    centres = random.normal(0, 0.35, (classes, dim))
    return (centres[labels] + random.normal(0, 1, (images, dim))).clip(0).astype(np.float32), labels


@pytest.mark.parametrize("shot", [5, 20])
def test_logistic_regression_of_600_episodes(ratio, shot):
    """On the same points, of length one and centred; both are told to go on until they are done."""
    table, labels = features(1500, 10, 512)
    episodes = sample_episodes(labels, way=5, shot=shot, query=15, episodes=600, seed=0, name="x")
    seen, points = view([torch.from_numpy(table[episodes.support])], "unit")
    asked = seen.of([torch.from_numpy(table[episodes.query])])
    truth, targets = torch.eye(5).repeat_interleave(shot, 1), np.repeat(np.arange(5), shot)
    step = 1000 // shot  # episodes whose matrices stay in the cache

    def ours():
        answers = []
        for own, other in zip(points.split(step), asked.split(step), strict=True):
            heads = fit(own @ own.mT, truth, [10.0]).heads(own)
            answers.append(heads.logits(other)[:, :, 0].argmax(-1))
        return torch.cat(answers).numpy()

    def plain(count):
        models = (
            LogisticRegression(C=10.0, max_iter=1000).fit(points[e].numpy(), targets) for e in range(count)
        )
        return np.stack([model.predict(asked[e].numpy()) for e, model in enumerate(models)])

    agreeing = (ours() == plain(600)).mean()
    print(f"\n{100 * agreeing:.3f} % of {asked.shape[0] * asked.shape[1]} queries answered alike")
    assert agreeing >= 0.999
    few = 60 if shot == 5 else 20
    ratio(ours, lambda: plain(few), least=LEAST[shot], share=few / 600)


def test_every_head_on_600_episodes_of_nine_cells(benchmark):
    """From cached features of a ResNet-10 of width 64: five sets, 5 shots in all and 20 in four."""
    columns = {"stage1": (0, 64), "stage2": (64, 192), "stage3": (192, 448), "features": (448, 960)}
    table, labels = features(1500, 10, 960)
    cells = [
        sample_episodes(labels, way=5, shot=shot, query=15, episodes=600, seed=seed, name="x")
        for seed, shot in [*((seed, 5) for seed in range(5)), *((seed, 20) for seed in range(4))]
    ]

    def ours():
        for head in HEADS.values():
            read, classify = reading(head, columns)
            for episodes in cells:
                evaluate(classify, table[:, read], episodes, CPU)

    benchmark.pedantic(ours, rounds=1)
    print(f"\n{len(HEADS)} heads, {len(cells)} cells: {benchmark.stats.stats.min:.1f} s")


def compare(folder: Path, lists: Path, most: int = 200) -> None:
    """A line a cell and head: accuracy, and the paired difference to Fixed with its interval."""
    columns = read_json(folder / "columns.json")
    for path in sorted(folder.glob("*.npy")):
        for shot, episodes in load_episodes(lists / f"{path.stem}.npz").items():
            reference = None
            for name, head in (HEADS | VARIANTS).items():
                read, classify = reading(head, columns)
                table = evaluate(classify, np.load(path, mmap_mode="r")[:, read], episodes.first(most), CPU)
                accuracy = table["accuracy"].to_numpy()
                reference = accuracy if reference is None else reference
                gap, half = mean_interval(accuracy - reference)
                print(f"{path.stem:12} {shot:3} {name:42} {accuracy.mean():6.2f} {gap:+6.2f} ± {half:.2f}")


if __name__ == "__main__":
    compare(Path(sys.argv[1]), Path(sys.argv[2]))
