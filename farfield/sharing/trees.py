"""Trees of tasks: which tasks share each segment of a backbone, and where they part.

From the images on, a tree has a partition of the tasks for each of S segments. A group of it is a node, which
computes the segment once for its tasks; groups split from segment to segment and never join again.
"""

from collections.abc import Hashable, Iterator, Sequence
from itertools import chain, product

Partition = tuple[tuple[int, ...], ...]  # groups of rising numbers, in the order of their first ones
Tree = tuple[Partition, ...]


def grouped(labels: Sequence[Hashable]) -> Partition:
    """The places of equal labels together."""
    groups: dict[Hashable, tuple[int, ...]] = {}
    for place, label in enumerate(labels):
        groups[label] = (*groups.get(label, ()), place)
    return tuple(groups.values())


def partitions(items: Sequence[int]) -> Iterator[Partition]:
    """Every way to put rising numbers into groups, once; all in one group comes first."""
    if not items:
        yield ()
        return
    *earlier, last = items
    for groups in partitions(earlier):
        for place, group in enumerate(groups):
            yield (*groups[:place], (*group, last), *groups[place + 1 :])
        yield (*groups, (last,))


def trees(tasks: int, segments: int) -> Iterator[Tree]:
    """Every tree once; the first one shares all segments, the last one none."""

    def grown(groups: Partition, segments: int) -> Iterator[Tree]:
        if segments == 0:
            yield ()
            return
        for parts in product(*map(partitions, groups)):
            split = tuple(sorted(chain.from_iterable(parts)))
            for rest in grown(split, segments - 1):
                yield (split, *rest)

    return grown((tuple(range(tasks)),), segments)


def induced(tree: Tree, tasks: Sequence[int]) -> Tree:
    """What is left of a tree with these tasks alone, which part where they did; they are numbered anew, in
    the order given."""
    nodes = [
        {task: node for node, group in enumerate(groups) for task in group} for groups in tree
    ]  # of each segment, by task
    return tuple(grouped([node[task] for task in tasks]) for node in nodes)


def traced(parents: Sequence[Sequence[int]]) -> Tree:
    """The tree of nodes that each have one parent, without those that no task comes from.

    parents: [S][...], from which node of segment s node j of the next segment reads; of the last segment,
    from which one task j does.
    """
    nodes: Sequence[int] = range(len(parents[-1]))  # of each task, in the segment after
    found: list[Partition] = []
    for row in reversed(parents):
        nodes = [row[node] for node in nodes]
        found.append(grouped(nodes))
    return tuple(reversed(found))


def tree_parameters(tree: Tree, sizes: Sequence[int]) -> int:
    """Of all nodes together; sizes: of one node of each segment."""
    return sum(len(groups) * size for groups, size in zip(tree, sizes, strict=True))


def named(tree: Tree, tasks: Sequence[str]) -> list[list[list[str]]]:
    """The tree by the names of its tasks, as files have it: [segments][nodes][tasks]."""
    return [[[tasks[task] for task in group] for group in groups] for groups in tree]
