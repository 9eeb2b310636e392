"""A cluster of Ray on this machine, and a clone whose stages run on it. Without Ray all of it is skipped.

Ray is the extra `ray`: `make test-cluster` runs these, and installs nothing.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.cluster.on_cluster import CHANGES, STAGES, Nodes
from tests.pipeline.clones import Clone
from tests.pipeline.conftest import forks, made_once, own_site_cache, template

__all__ = ["forks", "own_site_cache", "template"]

# Nothing phones home, and a node may start on a busy machine.
os.environ.update(
    RAY_USAGE_STATS_ENABLED="0",
    RAY_raylet_start_wait_time_s="180",
    RAY_agent_register_timeout_ms="180000",
)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Nodes]:
    """A head and a node. Afterwards no process of them is left, and nothing in shared memory."""
    utils = pytest.importorskip(
        "ray.cluster_utils", reason="needs the extra ray: pip install 'farfield[ray]'"
    )
    shared = shared_memory()
    before = psutil.Process().children(recursive=True)  # what stages are forked from
    local = Nodes(utils.Cluster())
    local.join(include_dashboard=False)  # the head
    local.join()
    yield local
    local.look()
    local.ray.shutdown()
    _, alive = psutil.wait_procs(local.started - {*before}, timeout=30)
    assert not alive, [one.cmdline() for one in alive]
    assert shared_memory() <= shared


def shared_memory() -> set[str]:
    """Files there, without the semaphores of Python's pools, of which other programs here may have some."""
    return {name for name in os.listdir("/dev/shm") if not name.startswith("sem.mp-")}


@pytest.fixture(scope="session")
def clone(template, tmp_path_factory) -> Clone:
    """Where each of `STAGES` has run in one process, as DVC runs it."""

    def run(folder: Path) -> None:
        made = template.copy(folder / "clone")
        made.compose(*CHANGES)
        made.dvc("repro", *(address for address, _, _ in STAGES.values()), FARFIELD_WORKERS="1")

    pytest.importorskip("ray", reason="needs the extra ray: pip install 'farfield[ray]'")
    return Clone(made_once(tmp_path_factory, "on a cluster", run) / "clone")
