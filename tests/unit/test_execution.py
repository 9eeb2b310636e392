"""What every executor does: results in order, kept as they come, and tasks that travel."""

import pickle
import random
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from farfield.errors import InputError
from farfield.execution import Workers, in_order, pickled_task, unpickled_task
from farfield.local import Local, load_local
from farfield.nodes import differences, facts, processor, tree_hash


def run(items, ahead, seed=0):
    """Through an executor whose work ends in a random order; what was kept, and how much ran at once."""
    chance, running, kept, widest = random.Random(seed), [], [], 0

    def start(place):
        nonlocal widest
        running.append(place)
        widest = max(widest, len(running))

    def finished():
        place = running.pop(chance.randrange(len(running)))
        yield place, items[place] ** 2

    def keep(item, result):
        kept.append(item)
        return result + 1

    return list(in_order(items, start, finished, ahead, keep)), kept, widest


@pytest.mark.parametrize("ahead", [1, 3, 100])
def test_results_come_in_order_whatever_ends_first(ahead):
    items = [*range(30)]
    found, kept, widest = run(items, ahead)
    assert found == [item**2 + 1 for item in items]
    assert sorted(kept) == items
    assert widest == min(ahead, 30)
    assert (kept == items) == (ahead == 1)


def test_what_is_done_is_kept_though_an_earlier_item_is_not():
    kept = []

    def finished():
        yield from ((place, None) for place in (2, 1))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(in_order([*range(3)], lambda place: None, finished, 3, lambda item, _: kept.append(item)))
    assert kept == [2, 1]


def test_one_process_keeps_too():
    kept = []
    with Workers(1) as workers:
        found = list(workers.map(abs, [-1, 2], lambda item, result: kept.append((item, result)) or result))
    assert found == [1, 2]
    assert kept == [(-1, 1), (2, 2)]


class Task:
    def __init__(self, **arrays: np.ndarray) -> None:
        self.arrays = arrays

    def __call__(self, name: str) -> np.ndarray:
        return self.arrays[name]


@pytest.fixture
def mapped(tmp_path) -> np.memmap:
    np.save(tmp_path / "x.npy", np.arange(60).reshape(20, 3))
    return np.load(tmp_path / "x.npy", mmap_mode="r")


def test_memory_maps_travel_as_names_of_files_if_they_are_whole(mapped):
    """A part of one says the offset of the whole, so it goes by its values."""
    arrays = {"whole": mapped, "part": mapped[5:], "turned": mapped.T, "plain": np.arange(4)}
    task = unpickled_task(pickled_task(Task(**arrays)))
    for name, array in arrays.items():
        assert np.array_equal(task(name), array), name
    assert isinstance(task("whole"), np.memmap)
    assert not isinstance(task("part").base, type(mapped.base))
    assert len(pickled_task(Task(x=mapped))) < 400


def test_arrays_travel_beside_the_task_where_files_are_not_seen(mapped):
    buffers: list[pickle.PickleBuffer] = []
    pickled = pickled_task(Task(x=mapped), by_path=False, buffers=buffers)
    assert [buffer.raw().nbytes for buffer in buffers] == [mapped.nbytes]
    task = unpickled_task(pickled, [np.frombuffer(buffer.raw(), np.uint8) for buffer in buffers])
    assert np.array_equal(task("x"), mapped)


STAGE = """
class Piece:
    def __call__(self, x):
        return x + 1

def work(x):
    return 2 * x
"""


def test_what_a_stage_defines_is_found_by_the_name_of_its_module(monkeypatch):
    """The module of a stage that is started is called __main__, in its own process alone."""
    main = ModuleType("__main__")
    main.__spec__ = SimpleNamespace(name="a_stage")
    exec(
        "class Piece:\n    def __call__(self, x):\n        return x + 1\ndef work(x):\n    return 2 * x",
        main.__dict__,
    )
    monkeypatch.setitem(sys.modules, "__main__", main)
    pickled = pickled_task(main.Piece()), pickled_task(main.work)
    real = ModuleType("a_stage")
    exec(
        "class Piece:\n    def __call__(self, x):\n        return x + 1\ndef work(x):\n    return 2 * x",
        real.__dict__,
    )
    monkeypatch.setitem(sys.modules, "a_stage", real)
    assert [unpickled_task(one)(3) for one in pickled] == [4, 6]
    assert type(unpickled_task(pickled[0])) is real.Piece


def test_nodes_are_compared_by_what_decides_bytes(tmp_path):
    mine = facts()
    assert differences(mine, {"a": {**mine, "host": "another", "sees": "yes"}}) == []
    theirs = {**mine, "torch": "2.0", "processor": "another"}
    assert differences(mine, {"b": theirs}) == [
        f"b: torch is 2.0, here {mine['torch']}",
        f"b: processor is another, here {mine['processor']}",
    ]
    assert len(differences(mine, {"b": theirs}, frozenset({"processor"}))) == 1
    assert facts(tmp_path)["sees"] == "yes"
    assert facts(tmp_path / "nowhere")["sees"] == "no"


def test_code_is_compared_as_it_stands_there(tmp_path):
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/a.py").write_text("x = 1\n")
    before = tree_hash(tmp_path)
    (tmp_path / "stages/notes.txt").write_text("no code")
    assert tree_hash(tmp_path) == before
    (tmp_path / "stages/a.py").write_text("x = 2\n")
    assert tree_hash(tmp_path) != before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "processor : 0\nmodel name : Xeon 8480\nflags : avx2 avx512f\n\nprocessor : 1\n",
            "Xeon 8480 avx512f",
        ),
        ("model name : EPYC 7763\nflags : avx avx2\n", "EPYC 7763 avx2"),
        ("CPU implementer : 0x41\nCPU part : 0xd4f\nFeatures : sve2\n", "0x41 0xd4f"),
    ],
)
def test_a_kind_of_processor_is_its_model_and_its_widest_instructions(tmp_path, text, said):
    (tmp_path / "cpuinfo").write_text(text)
    assert processor(tmp_path / "cpuinfo") == said


def test_a_cluster_is_no_parameter_but_said_by_the_machine(monkeypatch, tmp_path):

    monkeypatch.setenv("FARFIELD_CLUSTER", "ray://head:10001")
    monkeypatch.setenv("FARFIELD_GPU_SHARE", "0.25")
    assert load_local(tmp_path / "none") == Local(cluster="ray://head:10001", gpu_share=0.25)
    monkeypatch.setenv("FARFIELD_GPU_SHARE", "2")
    with pytest.raises(InputError, match="gpu_share"):
        load_local(tmp_path / "none")
