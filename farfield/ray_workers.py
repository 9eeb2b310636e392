"""The executor of many machines: work is handed to nodes of Ray, one thread or one share of a GPU a piece."""

import os
import pickle
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from farfield.cluster import Kind, ask_nodes, connect, gpu_kinds, require_one_kind, slots
from farfield.errors import InputError
from farfield.execution import Item, Keep, in_order, keep_freed_memory, pickled_task, unpickled_task
from farfield.nodes import Facts, differences, facts

RETRIES = 3  # of a piece of work whose process or node is lost
AHEAD = 4  # groups that are handed over for each that can run: back-pressure
TOGETHER, LARGEST = 0.5, 64  # seconds of a group of short pieces, and how many it has at most


class RayWorkers:
    """Pieces of work on the nodes of a cluster, with the bytes that one process gives.

    address: as `ray.init` takes it. kind: what computes. share: of a GPU, for a piece of work. InputError where
    `with` begins if the cluster cannot be reached, or if a node differs in what decides bytes.
    """

    def __init__(self, address: str, kind: Kind = "cpu", share: float = 1.0) -> None:
        self.address, self.kind, self.share = address, kind, share
        self.unseen: list[str] = []  # nodes that do not see this folder
        self.peak = 0.0

    def __enter__(self) -> "RayWorkers":
        self.ray = connect(self.address)
        try:
            nodes, mine, but = ask_nodes(self.ray), facts(), frozenset[str]()
            if self.kind == "cuda":  # on whose nodes the processors only hand over batches
                but = frozenset({"processor"})
                require_one_kind(gpu_kinds(self.ray))
            if problems := differences(mine, nodes, but):
                raise InputError(
                    f"the nodes of {self.address} would not all give the same bytes: {'; '.join(problems)}. Give "
                    f"them one checkout and one environment, and one kind of processor."
                )
        except BaseException:
            self.ray.shutdown()
            raise
        self.expected = {name: value for name, value in mine.items() if name not in but}
        self.unseen = [name for name, found in nodes.items() if found["sees"] != "yes"]
        return self

    def __exit__(self, *_: object) -> None:
        self.ray.shutdown()
        if 0 < self.peak < self.share / 2:
            fits = int(0.9 / self.peak)
            print(
                f"a task took at most {self.peak:.0%} of its GPU's memory: `gpu_share: {1 / fits:.3g}` in "
                f"local.yaml would run {fits} of them on one",
                file=sys.stderr,
            )

    def map(
        self, task: Callable[[Item], Any], items: Sequence[Item], keep: Keep | None = None
    ) -> Iterator[Any]:
        """As of `Executor`. InputError if a piece of work is lost again and again.

        Where nodes do not see this folder, a task must say `carries_all`: that it reads and writes no files.
        """
        if not items:
            return
        ray = self.ray
        if self.unseen and not getattr(task, "carries_all", False):
            raise InputError(
                f"{', '.join(self.unseen)} of {self.address} do not see {Path.cwd()}, where this reads and "
                f"writes: put the checkout on storage that all nodes see under the same name."
            )
        buffers: list[pickle.PickleBuffer] = []
        pickled = pickled_task(task, by_path=not self.unseen, buffers=buffers)
        # Once for all nodes; arrays are then read from a node's memory by all its processes.
        stored = ray.put((pickled, [np.frombuffer(buffer.raw(), np.uint8) for buffer in buffers]))
        place = None if self.unseen else str(Path.cwd())
        gpus = {"num_gpus": self.share} if self.kind == "cuda" else {}
        work = ray.remote(_work).options(num_cpus=1, max_retries=RETRIES, **gpus)
        many = slots(ray, self.kind, self.share)
        running: dict[Any, list[int]] = {}
        group: list[int] = []  # places that are handed over together next
        size = 1  # of a group: as many as take a process `TOGETHER` seconds, and one where that is longer

        def hand_over() -> None:
            running[work.remote(self.expected, place, [stored], [items[number] for number in group])] = [
                *group
            ]
            group.clear()

        def start(number: int) -> None:
            group.append(number)
            if len(group) >= size:
                hand_over()

        def finished() -> Iterator[tuple[int, Any]]:
            nonlocal size
            if group:
                hand_over()
            ray.wait(list(running), num_returns=1)
            done, _ = ray.wait(list(running), num_returns=len(running), timeout=0)
            for reference in done:
                try:
                    results, seconds, peak = ray.get(reference)
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from error
                except ray.exceptions.RayError as error:
                    raise InputError(
                        f"a piece of work was lost {RETRIES + 1} times on {self.address}, most likely because "
                        f"memory ran out: {str(error).splitlines()[0]} What is finished is kept: mend that, and "
                        f"run the same command again."
                    ) from error
                self.peak = max(self.peak, peak)
                size = max(1, min(int(TOGETHER * len(results) / max(seconds, 1e-6)), LARGEST))
                yield from zip(running.pop(reference), results, strict=True)

        yield from in_order(items, start, finished, lambda: AHEAD * many * size, keep)


def _work(
    expected: Facts, place: str | None, stored: list[Any], items: list[Any]
) -> tuple[list[Any], float, float]:
    """On a node: the results, their seconds, and which part of the GPU's memory was taken at most."""
    _ready(tuple(sorted(expected.items())))
    if place is not None:
        os.chdir(place)
    task, begin = _task(stored[0]), time.perf_counter()
    results = [task(item) for item in items]
    return results, time.perf_counter() - begin, _gpu_peak()


@lru_cache(maxsize=1)
def _ready(expected: tuple[tuple[str, str], ...]) -> None:
    """Once in a process: also of a node that joined after the others had been asked."""
    found = facts()
    if problems := differences(dict(expected), {found["host"]: found}):
        raise InputError(f"a node has joined that would not give the same bytes: {'; '.join(problems)}.")
    import torch

    from farfield.training.devices import deterministic

    deterministic()
    torch.set_num_threads(1)
    keep_freed_memory()


@lru_cache(maxsize=4)
def _task(stored: Any) -> Callable[[Any], Any]:
    import ray

    pickled, buffers = ray.get(stored)
    return unpickled_task(pickled, buffers)


def _gpu_peak() -> float:
    import torch

    if not (torch.cuda.is_available() and torch.cuda.is_initialized()):
        return 0.0
    return torch.cuda.max_memory_reserved() / torch.cuda.get_device_properties(0).total_memory
