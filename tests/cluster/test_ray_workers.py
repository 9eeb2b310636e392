"""Pieces of work on a cluster: their order, their arrays, their mistakes, and nodes that are not alike."""

import numpy as np
import pytest

from farfield import cluster as module
from farfield.cluster import RayWorkers, connect
from farfield.errors import InputError
from farfield.nodes import facts
from tests.cluster.pieces import Sums, lethal, place, wrong

pytestmark = pytest.mark.cluster


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def nodes(cluster, here):
    with RayWorkers(cluster.address) as workers:
        yield workers


def test_results_come_in_order_and_are_kept_when_they_are_done(nodes, here):
    kept = []

    def keep(item, result):
        kept.append(item)
        return result

    found = list(nodes.map(place, range(40), keep))
    assert found == [(item, str(here), "1") for item in range(40)]
    assert sorted(kept) == [*range(40)]
    assert list(nodes.map(place, [])) == []


def test_arrays_travel_by_path_where_all_see_it_and_else_once(nodes, here):
    np.save(here / "images.npy", np.arange(12).reshape(4, 3))
    task = Sums(np.load(here / "images.npy", mmap_mode="r"))
    assert list(nodes.map(task, [3, 0])) == [(30, "memmap"), (3, "memmap")]
    nodes.unseen = ["elsewhere"]
    assert list(nodes.map(task, [3, 0])) == [(30, "ndarray"), (3, "ndarray")]
    with pytest.raises(InputError, match=f"elsewhere of .* do not see {here}"):
        next(nodes.map(place, [1]))


def test_a_mistake_is_told_as_in_one_process(nodes):
    with pytest.raises(InputError, match=r"^item 3 is wrong$"):
        list(nodes.map(wrong, range(6)))


def test_work_that_kills_its_process_is_given_up(nodes, monkeypatch):
    monkeypatch.setattr(module, "RETRIES", 1)
    with pytest.raises(InputError, match="a piece of work was lost 2 times"):
        list(nodes.map(lethal, [1]))


@pytest.mark.parametrize("name", ["code", "requirements.lock", "torch", "processor"])
def test_nodes_that_differ_are_refused_and_named(cluster, here, monkeypatch, name):
    mine = {**facts(), name: "another"}
    monkeypatch.setattr(module, "facts", lambda *_: mine)
    monkeypatch.setattr(module, "ask_nodes", lambda ray: {"node-7": facts()})
    with (
        pytest.raises(InputError, match=f"node-7: {name} is {facts()[name]}, here another"),
        RayWorkers(cluster.address),
    ):
        pass


def test_a_node_that_joined_later_is_asked_too(nodes):
    nodes.expected = {**nodes.expected, "torch": "1.0"}
    with pytest.raises(InputError, match=r"a node has joined.*torch is 2\..*, here 1.0"):
        list(nodes.map(place, [1]))


def test_gpus_are_refused_where_there_are_none(cluster, here):
    with (
        pytest.raises(InputError, match="no node of the cluster has a GPU"),
        RayWorkers(cluster.address, "cuda"),
    ):
        pass


@pytest.mark.parametrize("error", [ConnectionError, RuntimeError, ValueError])
def test_no_cluster_is_one_message(here, monkeypatch, error):
    """Ray's own ways of saying so, the last of which takes it a minute."""
    ray = pytest.importorskip("ray", reason="needs the extra ray")

    def init(**_):
        raise error("could not find a cluster.\nAnd more.")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(InputError, match=r"no cluster of Ray answers at 'auto': could not find a cluster\. "):
        connect("auto")
