"""Trees of tasks, and networks that branch as they say."""

from dataclasses import replace
from itertools import pairwise, product
from math import comb

import pytest
import torch
from dense_task import NETWORK as WITH_DROPOUT
from dense_task import assert_same, snapshot
from torch import nn

from farfield.errors import InputError
from farfield.sharing.accounting import cost, head_parameters, parameters, piece_macs
from farfield.sharing.deeplab import build_deeplab
from farfield.sharing.methods import build_method
from farfield.sharing.methods.tree import TreeNetwork, cut
from farfield.sharing.trees import grouped, induced, named, partitions, traced, tree_parameters, trees
from stages.report_sharing import tree_in_words

NETWORK = replace(WITH_DROPOUT, dropout=0.0)
TASKS = {"segmentation": 4, "normals": 3, "depth": 1}
SEGMENTS = cut([0, 1, 3])
# Normals part from the others after the first stage, and these before the last one.
TREE = (((0, 1, 2),), ((0, 1, 2),), ((0, 2), (1,)), ((0,), (1,), (2,)))


def images() -> torch.Tensor:
    return torch.randn(2, 3, 40, 48, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("tasks", "segments"), [(1, 2), (2, 4), (3, 1), (3, 3), (4, 2)])
def test_every_tree_once_by_brute_force(tasks, segments):
    found = set()
    for nodes in product(product(range(tasks), repeat=tasks), repeat=segments):  # [segments][tasks]
        together = [{pair for pair in pairs_of(tasks) if row[pair[0]] == row[pair[1]]} for row in nodes]
        if all(later <= earlier for earlier, later in pairwise(together)):
            found.add(tuple(grouped(row) for row in nodes))
    made = list(trees(tasks, segments))
    assert len(made) == len(set(made))
    assert set(made) == found
    assert made[0] == ((tuple(range(tasks)),),) * segments
    assert made[-1] == (tuple((task,) for task in range(tasks)),) * segments


def pairs_of(tasks: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(tasks) for j in range(i)]


def test_numbers_of_trees():
    assert [len(list(trees(2, segments))) for segments in range(1, 6)] == [2, 3, 4, 5, 6]
    bell = [1]
    for n in range(6):
        bell.append(sum(comb(n, k) * bell[k] for k in range(n + 1)))
    assert [len(list(partitions(range(n)))) for n in range(7)] == bell


def test_an_induced_tree_by_hand():
    assert induced(TREE, (0, 2)) == (((0, 1),), ((0, 1),), ((0, 1),), ((0,), (1,)))
    assert induced(TREE, (0, 1)) == (((0, 1),), ((0, 1),), ((0,), (1,)), ((0,), (1,)))
    assert induced(TREE, (1, 2)) == induced(TREE, (0, 1))
    assert induced(TREE, (0, 1, 2)) == TREE
    assert named(TREE, [*TASKS])[2] == [["segmentation", "depth"], ["normals"]]


def test_nodes_that_no_task_comes_from_are_pruned():
    # Heads read nodes 2, 0, 2; these come from nodes 1 and 1 of the segment before, node 1 from node 0 of the
    # first one. What node 1 of the last segment and nodes 0 and 2 of the second read does not matter.
    assert traced([[2, 0, 1], [1, 2, 1], [2, 0, 2]]) == (((0, 1, 2),), ((0, 1, 2),), ((0, 2), (1,)))
    assert traced([[0, 1, 2]] * 3) == (((0,), (1,), (2,)),) * 3


def test_segments_are_those_between_branch_points():
    assert [([*segment.stages], segment.stem) for segment in cut([1, 3])] == [
        ([0], True),
        ([1, 2], False),
        ([3], False),
    ]
    assert [[*segment.stages] for segment in cut([0, 1, 2, 3])] == [[], [0], [1], [2], [3]]
    assert len(cut([])) == 1
    for wrong in ([2, 1], [1, 1], [4], [-1]):
        with pytest.raises(InputError, match=r"of mine must be rising numbers of stages from 0 to 3"):
            cut(wrong, "branch_before of mine")


def test_a_tree_that_shares_nothing_is_single_task_networks_bit_for_bit():
    *_, apart = trees(3, 4)
    network = TreeNetwork(TASKS, NETWORK, apart, SEGMENTS)
    alone = build_method("single_task", TASKS, NETWORK)
    assert_same(snapshot(network), snapshot(alone))
    assert_same(network(images()), alone(images()))


def test_a_tree_that_shares_everything_is_the_multi_task_network_bit_for_bit():
    shared = next(trees(3, 4))
    network = TreeNetwork(TASKS, NETWORK, shared, SEGMENTS)
    together = build_method("multi_task", TASKS, NETWORK)
    network.load_state_dict(together.state_dict())
    assert_same(network(images()), together(images()))
    assert_same(snapshot(network), snapshot(together))  # running statistics among it


def test_a_branched_network_is_the_one_built_by_hand_bit_for_bit():
    network = TreeNetwork(TASKS, NETWORK, TREE, SEGMENTS)
    first, second, third = (NETWORK.backbone(task) for task in TASKS)
    heads = NETWORK.heads(TASKS, first.features)
    root = first.run_stage(0, first.stem(images()))
    both = first.run_stage(2, first.run_stage(1, root))
    own = second.run_stage(2, second.run_stage(1, root))
    maps = [first.run_stage(3, both), second.run_stage(3, own), third.run_stage(3, both)]
    expected = {task: heads[task](x) for task, x in zip(TASKS, maps, strict=True)}
    found = network(images())
    assert_same(found, expected)
    sum(value.square().mean() for value in found.values()).backward()
    sum(value.square().mean() for value in expected.values()).backward()
    assert torch.equal(network.trunks[0].stem.convolution.weight.grad, first.stem.convolution.weight.grad)
    assert torch.equal(network.trunks[2].blocks[3].conv1.weight.grad, third.blocks[3].conv1.weight.grad)


def test_a_node_learns_from_its_own_tasks_alone():
    network = TreeNetwork(TASKS, NETWORK, TREE, SEGMENTS)
    network(images())["depth"].square().mean().backward()
    touched = {
        (int(name.split(".")[1]), name.split(".")[2] == "stem" or name.split(".")[3])
        for name, parameter in network.backbones.named_parameters(prefix="backbones")
        if parameter.grad is not None
    }
    # Backbone 0 up to its third block, with depth's own last block.
    assert touched == {(0, True), (0, "0"), (0, "1"), (0, "2"), (2, "3")}


@pytest.mark.parametrize("name", ["small", "resnet18"])
@pytest.mark.parametrize("before", [[], [2], [0, 1, 2, 3]])
def test_parameters_and_macs_are_those_of_the_nodes(name, before):
    segments = cut(before)
    plain = build_deeplab(name, NETWORK.width)
    settings = replace(NETWORK, name=name)
    sizes = [segment.parameters(plain) for segment in segments]
    assert sum(sizes) == parameters(plain)
    pieces = piece_macs(plain)
    of_stage = [sum(pieces.blocks[b] + pieces.shortcuts[b] for b in blocks) for blocks in plain.stages]
    heads = cost(build_method("multi_task", TASKS, settings), plain).macs - pieces.of(
        [True] * len(plain.blocks)
    )
    whole = torch.ones(3, len(plain.blocks), dtype=torch.bool)
    for tree in [*trees(3, len(segments))][::17]:
        network = TreeNetwork(TASKS, settings, tree, segments)
        assert parameters(network) - head_parameters(network) == tree_parameters(tree, sizes)
        found = cost(network, plain, whole)
        assert found.backbone_parameters == pytest.approx(tree_parameters(tree, sizes) / parameters(plain))
        assert found.backbone_macs == 3 * pieces.of([True] * len(plain.blocks))
        macs = [pieces.stem * segment.stem + sum(of_stage[s] for s in segment.stages) for segment in segments]
        assert found.macs - heads == tree_parameters(tree, macs)


def test_what_a_backbone_does_not_run_is_not_there():
    network = TreeNetwork(TASKS, NETWORK, TREE, SEGMENTS)
    assert isinstance(network.trunks[1].stem, nn.Identity)
    in_groups = [id(p) for group in network.parameter_groups() for p in group["params"]]
    assert sorted(in_groups) == sorted(id(p) for p in network.parameters())
    assert not [name for name, p in network.named_parameters() if name.startswith("backbones.2.stem")]


def test_a_tree_in_words_says_what_changes_and_where():
    said = tree_in_words(named(TREE, [*TASKS]), [0, 1, 3])
    assert said == (
        "from the images on segmentation with normals and depth; from stage 2 on segmentation with depth, "
        "normals alone; from stage 4 on segmentation alone, normals alone, depth alone"
    )
