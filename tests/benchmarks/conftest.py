"""Benchmarks state ratios against a plain reference loop, measured in the same run."""

import time

import pytest


def seconds(function, repeats: int = 3) -> float:
    """The shortest of some runs, after one that is not counted."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.fixture
def ratio(benchmark):
    """Benchmark `fast`; check that `reference` takes at least `least` times as long.

    `share`: the reference does only this share of the work, and its time is scaled up by it.
    """

    def measure(fast, reference, *, least: float, share: float = 1.0, rounds: int = 3) -> float:
        benchmark.pedantic(fast, rounds=rounds, warmup_rounds=1)
        slow = seconds(reference) / share
        value = slow / benchmark.stats.stats.min
        benchmark.extra_info |= {"reference_seconds": round(slow, 3), "times_faster": round(value, 2)}
        print(
            f"\n{benchmark.name}: {benchmark.stats.stats.min:.4f} s against {slow:.4f} s, {value:.2f} times"
        )
        assert value >= least
        return value

    return measure
