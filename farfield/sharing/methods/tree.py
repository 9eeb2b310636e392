"""A backbone that branches: tasks share its first segments and part where a tree says."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from farfield.errors import InputError
from farfield.sharing.accounting import parameters
from farfield.sharing.deeplab import STRIDES, DeeplabResNet
from farfield.sharing.methods.network import NetworkSettings, TaskNetwork, Tasks
from farfield.sharing.trees import Tree


@dataclass(frozen=True)
class Segment:
    """Consecutive stages of a backbone; with `stem` its stem comes before them."""

    stages: range
    stem: bool

    def run(self, backbone: DeeplabResNet, x: Tensor) -> Tensor:
        """The map after the segment; x is the map before it, or the images if it begins with the stem."""
        if self.stem:
            x = backbone.stem(x)
        for stage in self.stages:
            x = backbone.run_stage(stage, x)
        return x

    def parameters(self, backbone: DeeplabResNet) -> int:
        """How many it has."""
        own: list[nn.Module] = [backbone.stem] if self.stem else []
        for block in self._blocks(backbone):
            own += [backbone.blocks[block], backbone.shortcuts[block]]
        return sum(map(parameters, own))

    def drop_from(self, backbone: DeeplabResNet) -> None:
        """Take it out of a backbone that does not run it."""
        if self.stem:
            backbone.add_module("stem", nn.Identity())
        for block in self._blocks(backbone):
            backbone.blocks[block] = nn.Identity()
            backbone.shortcuts[block] = nn.Identity()

    def _blocks(self, backbone: DeeplabResNet) -> Iterator[int]:
        return (block for stage in self.stages for block in backbone.stages[stage])


def cut(before: Sequence[int], name: str = "branch_before") -> tuple[Segment, ...]:
    """The segments of a backbone whose tasks may part before these stages, and before stem and heads.

    before: rising numbers of stages from 0, which is the one after the stem. InputError, by `name`, if they are
    not.
    """
    stages = len(STRIDES)
    if sorted({*before} & {*range(stages)}) != [*before]:
        raise InputError(f"{name} must be rising numbers of stages from 0 to {stages - 1}, found {[*before]}")
    bounds = [0, *before, stages]
    return tuple(
        Segment(range(start, end), stem=place == 0) for place, (start, end) in enumerate(pairwise(bounds))
    )


class TreeNetwork(TaskNetwork):
    """A node computes a segment once for all of its tasks, with parameters of its own.

    tree: a partition of the tasks for each segment. A node's first weights are those that the backbone of its
    first task has in single-task networks: a tree that shares nothing is these. BatchNorm is a node's own,
    whatever the settings say of tasks that share a backbone.
    """

    def __init__(
        self, tasks: Tasks, settings: NetworkSettings, tree: Tree, segments: Sequence[Segment]
    ) -> None:
        # A node is the work of its first task's backbone, and the last nodes have all first tasks there are.
        names, firsts = [*tasks], [group[0] for group in tree[-1]]
        super().__init__(tasks, settings, [settings.backbone(names[task]) for task in firsts])
        self.tree, self.segments = tree, tuple(segments)
        self.backbone_of = {task: place for place, task in enumerate(firsts)}
        for groups, segment in zip(tree, self.segments, strict=True):
            for task in {*firsts} - {group[0] for group in groups}:
                segment.drop_from(self.trunks[self.backbone_of[task]])

    def features(self, images: Tensor) -> list[Tensor]:
        maps = dict.fromkeys(range(len(self.tasks)), images)
        for groups, segment in zip(self.tree, self.segments, strict=True):
            for first, *others in groups:
                x = segment.run(self.trunks[self.backbone_of[first]], maps[first])
                maps |= dict.fromkeys((first, *others), x)
        return [*maps.values()]
