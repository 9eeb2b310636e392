"""The tree that networks of two tasks recommend."""

from types import SimpleNamespace

import numpy as np
import pytest

from farfield.errors import InputError
from farfield.files import write_json
from farfield.seeds import stream
from farfield.sharing.methods.recommender import estimated_gain, recommended, two_task_networks
from farfield.sharing.recipe import DenseRecipe
from farfield.sharing.trees import trees
from stages.frame.schema.sharing import Recommended
from stages.frame.tree_training import TreePiece
from stages.recommend import gains_of, tried_networks

SIZES = [10, 30, 60]


def drawn_gains(tasks: int, segments: int = 3) -> dict:
    noise = stream(0, "gains", tasks)
    return {wanted: tuple(noise.normal(size=2)) for wanted in two_task_networks(tasks, segments)}


def shared(tree, first: int, second: int) -> int:
    """How many segments two tasks share."""
    return sum(any({first, second} <= set(group) for group in groups) for groups in tree)


def test_what_is_trained_are_pairs_that_share_something():
    assert len(list(two_task_networks(3, 4))) == 3 * 4
    assert {(pair, shared(tree, 0, 1)) for pair, tree in two_task_networks(3, 2)} == {
        (pair, count) for pair in [(0, 1), (0, 2), (1, 2)] for count in (1, 2)
    }


def test_of_two_tasks_it_is_the_best_two_task_tree():
    gains = drawn_gains(2)
    best, compared = recommended(2, SIZES, gains)
    (pair, tree), gained = max(gains.items(), key=lambda one: sum(one[1]))
    assert pair == (0, 1)
    assert (best.tree, best.gain) == (tree, pytest.approx(np.mean(gained)))
    assert compared == 4
    worse = {wanted: (-abs(a), -abs(b)) for wanted, (a, b) in gains.items()}
    best, _ = recommended(2, SIZES, worse)  # then it is best to share nothing
    assert (best.gain, best.size, shared(best.tree, 0, 1)) == (0.0, 2.0, 0)


@pytest.mark.parametrize("tasks", [3, 4])
@pytest.mark.parametrize("budget", [None, 1.0, 1.5])
def test_it_is_the_best_of_all_trees_by_brute_force(tasks, budget):
    gains = drawn_gains(tasks)
    by_count = {(*pair, shared(tree, 0, 1)): gained for (pair, tree), gained in gains.items()}
    found = []
    for tree in trees(tasks, 3):
        means = []
        for task in range(tasks):
            own = []
            for other in range(tasks):
                if other != task:
                    first, second = sorted((task, other))
                    pair = by_count.get((first, second, shared(tree, first, second)), (0.0, 0.0))
                    own.append(pair[task > other])
            means.append(np.mean(own))
        assert estimated_gain(tree, gains) == pytest.approx(np.mean(means))
        size = sum(len(groups) * size for groups, size in zip(tree, SIZES, strict=True)) / sum(SIZES)
        if size <= (budget or tasks):
            found.append((np.mean(means), tree))
    best, compared = recommended(tasks, SIZES, gains, budget)
    assert (best.gain, best.tree) == (pytest.approx(max(found)[0]), max(found)[1])
    assert compared == len(found)


def test_tasks_that_agree_share_and_one_that_conflicts_parts_at_once():
    gains = {}
    for pair, tree in two_task_networks(3, 3):
        sign = 1 if pair == (0, 1) else -1
        gains[pair, tree] = (sign * shared(tree, 0, 1), sign * shared(tree, 0, 1))
    best, compared = recommended(3, SIZES, gains)
    assert best.tree == (((0, 1), (2,)),) * 3
    assert (best.gain, best.size, compared) == (pytest.approx(1.0), 2.0, 22)
    small, _ = recommended(3, SIZES, gains, budget=1.0)
    assert small.tree == (((0, 1, 2),),) * 3
    with pytest.raises(InputError, match="budget must be at least 1"):
        recommended(3, SIZES, gains, budget=0.5)


def test_of_equal_gains_the_smaller_tree_is_recommended():
    gains = {wanted: (0.1 + 0.2, -0.3) for wanted in two_task_networks(3, 3)}
    best, _ = recommended(3, SIZES, gains)
    assert best.size == 1.0


def test_gains_are_relative_to_tasks_alone_and_leave_out_metrics_at_zero(tmp_path):
    pieces = {}

    def measured(tasks, tree, scores):
        folder = tmp_path / str(len(pieces))
        pieces[tasks, tree] = TreePiece("nyuv2", (), tree, (2,), 1, 0, "", "cpu", folder)
        write_json(folder / "scores.json", scores)

    shared, later, apart = trees(2, 2)
    alone = {
        "segmentation": {"miou": 0.0, "pixel_accuracy": 0.4},
        "depth": {"depth_abs_error": 2.0, "depth_delta_1.25": 0.5},
        "normals": {"normal_similarity": 0.0},
    }
    measured((0, 1, 2), apart, alone)
    own = {"miou": 0.3, "pixel_accuracy": 0.5}
    measured((0, 1), later, {"segmentation": own, "depth": {"depth_abs_error": 1.0, "depth_delta_1.25": 0.4}})
    measured((0, 2), shared, {"segmentation": own, "normals": {"normal_similarity": 0.9}})
    gains = gains_of(pieces, ["segmentation", "depth", "normals"])
    assert gains == {
        ((0, 1), later): (pytest.approx(25.0), pytest.approx(100 * (0.5 - 0.2) / 2)),
        ((0, 2), shared): (pytest.approx(25.0), 0.0),
    }


def test_short_trainings_are_of_tasks_alone_and_of_pairs(tmp_path):
    row = Recommended(title="T", published="", branch_before=(1, 3), share=0.2, budget=None)
    study = SimpleNamespace(
        tasks={"segmentation": 1.0, "normals": 20.0, "depth": 3.0}, recipe=DenseRecipe(iterations=104)
    )
    tried = tried_networks(row, "nyuv2", study, 5, "cpu", tmp_path)
    first, *others = tried.items()
    assert first[0] == ((0, 1, 2), (((0,), (1,), (2,)),) * 3)
    assert [key for key, _ in others] == list(two_task_networks(3, 3))
    assert {piece.iterations for piece in tried.values()} == {21}
    assert {piece.seed for piece in tried.values()} == {5}
    assert len({piece.folder for piece in tried.values()}) == len(tried) == 10
    assert tried[others[-1][0]].tasks == ("normals", "depth")
