"""The tree that networks of two tasks recommend (Zhang, Liu and Guan, AutoML 2022, arXiv 2203.05092).

Networks of two tasks are trained, for each pair and each place where it may part. What a tree of all tasks would
gain is told from them: a task's gain is the mean of its gains in the two-task sub-trees of that tree, and the
tree's the mean over tasks. All trees are compared; none of them is trained but the best one.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from farfield.errors import InputError
from farfield.sharing.trees import Tree, induced, tree_parameters, trees

Pair = tuple[int, int]  # of tasks, the smaller number first
Gains = Mapping[tuple[Pair, Tree], tuple[float, float]]  # of both tasks in a two-task tree


class Scored(NamedTuple):
    """A tree, its estimated gain, and its parameters in multiples of one backbone."""

    gain: float
    size: float
    tree: Tree


def two_task_networks(tasks: int, segments: int) -> Iterator[tuple[Pair, Tree]]:
    """What must be trained: every pair with every tree in which it shares something. Two tasks that share
    nothing gain nothing on their single-task networks."""
    *sharing, _ = trees(2, segments)
    return ((pair, tree) for pair in combinations(range(tasks), 2) for tree in sharing)


def estimated_gain(tree: Tree, gains: Gains) -> float:
    """Of a tree of two tasks or more, by those of `two_task_networks`."""
    tasks = sum(map(len, tree[0]))
    found = 0.0
    for pair in combinations(range(tasks), 2):
        together = induced(tree, pair)
        if len(together[0]) == 1:  # they share the first segment at least
            # Each of a pair's gains is one of K - 1 of its task, which is one of K.
            found += sum(gains[pair, together])
    return found / (tasks * (tasks - 1))


def recommended(
    tasks: int, sizes: Sequence[int], gains: Gains, budget: float | None = None
) -> tuple[Scored, int]:
    """The tree of the highest estimated gain and, of equal ones, the fewest parameters; and how many trees
    there are within the budget.

    sizes: parameters of each segment. budget: the most parameters, in multiples of one backbone; None is as
    many as there are tasks. InputError if no tree is as small.
    """
    within = [
        Scored(estimated_gain(tree, gains), size, tree)
        for tree in trees(tasks, len(sizes))
        if (size := tree_parameters(tree, sizes) / sum(sizes)) <= (budget or tasks)
    ]
    if not within:
        raise InputError(f"budget must be at least 1, the backbone that all tasks share, found {budget}")
    # Sums that differ by rounding alone are equal.
    return max(within, key=lambda one: (round(one.gain, 9), -one.size)), len(within)
