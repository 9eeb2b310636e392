"""Ray's nodes against processes of this machine, on pieces of work that do nothing but take their time.

Needs the extra ray. Naps, not computing: what is measured is how work is handed over, whatever else runs here.
"""

import time

import psutil
import pytest

from farfield.cluster import RayWorkers
from farfield.execution import Workers
from tests.cluster.conftest import cluster
from tests.cluster.pieces import nap

__all__ = ["cluster"]

TASKS, SECONDS, WARM = 2000, 0.05, [0.0] * 8


def took(workers) -> float:
    begin = time.perf_counter()
    assert sum(workers.map(nap, [SECONDS] * TASKS)) == pytest.approx(TASKS * SECONDS)
    return time.perf_counter() - begin


def test_two_nodes_against_two_processes(cluster, benchmark, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    times = {"start": time.perf_counter()}
    with RayWorkers(cluster.address) as nodes:
        list(nodes.map(nap, WARM))
        times["started"] = time.perf_counter()
        idle = [
            one for one in psutil.process_iter(["cmdline"]) if "ray::" in " ".join(one.info["cmdline"] or [])
        ]
        memory = [one.memory_full_info().uss / 1e6 for one in idle]
        ray = benchmark.pedantic(took, args=(nodes,), rounds=1)
        times["end"] = time.perf_counter()
    times["ended"] = time.perf_counter()
    with Workers(2) as processes:
        list(processes.map(nap, WARM))
        pool = took(processes)
    start, end = times["started"] - times["start"], times["ended"] - times["end"]
    print(
        f"\n{TASKS} naps of {SECONDS} s: Ray {ray:.1f} s, processes {pool:.1f} s, {ray / pool:.2f} times; "
        f"connected and ready in {start:.1f} s, left in {end:.1f} s; "
        f"idle workers of {', '.join(f'{one:.0f}' for one in memory)} MB"
    )
    benchmark.extra_info |= {"pool_seconds": round(pool, 2), "ratio": round(ray / pool, 3)}
    assert ray <= 1.25 * pool
