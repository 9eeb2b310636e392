"""The same bytes in one process, in two, on two nodes, with a node lost and with the driver killed."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.cluster.on_cluster import STAGES, ended, hashes, start

pytestmark = pytest.mark.cluster


def wait_for(condition: Callable[[], object], seconds: float = 300) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came so far"
        time.sleep(0.01)


def shards(clone) -> list[Path]:
    """Adapted episodes that are kept, of a run that goes on or was killed."""
    return list((clone.path / ".farfield/scratch").glob("finetune-last1-*/*/*/*.safetensors"))


def workers(clone) -> list[psutil.Process]:
    """Ray's processes that work in the clone."""
    found = []
    for one in psutil.process_iter():
        try:
            if one.cwd() == str(clone.path) and any("ray::" in word for word in one.cmdline()):
                found.append(one)
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_two_nodes_leave_the_bytes_of_one_process(clone, cluster, stage):
    alone = hashes(clone, stage)
    assert alone
    clone.run("rm", "-rf", STAGES[stage][2])
    ended(start(clone, stage, FARFIELD_CLUSTER=cluster.address))
    assert hashes(clone, stage) == alone


def test_two_processes_leave_the_bytes_of_one(clone):
    alone = hashes(clone, "finetune")
    ended(start(clone, "finetune", FARFIELD_WORKERS="2"))
    assert hashes(clone, "finetune") == alone


def test_a_node_may_be_killed(clone, cluster):
    alone = hashes(clone, "finetune")
    running = start(clone, "finetune", FARFIELD_CLUSTER=cluster.address)
    try:
        wait_for(lambda: shards(clone) or running.poll() is not None)
        assert running.poll() is None, running.communicate()[0]
        cluster.kill()
        ended(running)
    finally:
        running.kill()
        cluster.join()
    assert hashes(clone, "finetune") == alone
    assert not shards(clone)


def test_a_killed_driver_leaves_no_worker_and_goes_on(clone, cluster):
    alone = hashes(clone, "finetune")
    running = start(clone, "finetune", FARFIELD_CLUSTER=cluster.address)
    wait_for(lambda: shards(clone) or running.poll() is not None)
    assert running.poll() is None, running.communicate()[0]
    running.send_signal(signal.SIGKILL)
    running.wait()
    kept = shards(clone)
    assert kept
    wait_for(lambda: not workers(clone), 60)
    said = ended(start(clone, "finetune", FARFIELD_CLUSTER=cluster.address))
    assert "last1, leaves, 1 shots:   0%|          | 0/" not in said, "it started again from nothing"
    assert hashes(clone, "finetune") == alone
