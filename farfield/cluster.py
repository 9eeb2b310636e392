"""The executor of many machines: Ray, as it runs on a workstation, under Slurm or on Kubernetes.

Whoever starts the cluster decides its size; here pieces of work are handed to it, one thread or one share of a
GPU each. Ray is an extra, `farfield[ray]`, and imported by nobody who names no cluster.
"""

import os
import pickle
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from farfield.errors import InputError
from farfield.execution import Item, Keep, in_order, keep_freed_memory, pickled_task, unpickled_task
from farfield.local import SCRATCH, Local
from farfield.nodes import Facts, differences, facts

if TYPE_CHECKING:
    import torch

Kind = Literal["cpu", "cuda"]
RETRIES = 3  # of a piece of work whose process or node is lost
AHEAD = 4  # pieces that are handed over for each that can run: back-pressure
PATIENCE = 300.0  # seconds for a node to start a process and answer


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
            nodes, self.mine, but = ask_nodes(self.ray), facts(), frozenset[str]()
            if self.kind == "cuda":  # on whose nodes the processors only hand over batches
                but = frozenset({"processor"})
                require_one_kind(gpu_kinds(self.ray))
            if problems := differences(self.mine, nodes, but):
                raise InputError(
                    f"the nodes of {self.address} would not all give the same bytes: {'; '.join(problems)}. Give "
                    f"them one checkout and one environment, and one kind of processor."
                )
        except BaseException:
            self.ray.shutdown()
            raise
        self.expected = {
            name: value for name, value in self.mine.items() if name not in but | {"host", "sees"}
        }
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
        running: dict[Any, int] = {}

        def start(number: int) -> None:
            running[work.remote(self.expected, place, [stored], items[number])] = number

        def finished() -> Iterator[tuple[int, Any]]:
            ray.wait(list(running), num_returns=1)
            done, _ = ray.wait(list(running), num_returns=len(running), timeout=0)
            for reference in done:
                try:
                    result, peak = ray.get(reference)
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from error
                except ray.exceptions.RayError as error:
                    raise InputError(
                        f"a piece of work was lost {RETRIES + 1} times on {self.address}, most likely because "
                        f"memory ran out: {str(error).splitlines()[0]} What is finished is kept: mend that, and "
                        f"run the same command again."
                    ) from error
                self.peak = max(self.peak, peak)
                yield running.pop(reference), result

        yield from in_order(items, start, finished, AHEAD * slots(ray, self.kind, self.share), keep)


def _work(expected: Facts, place: str | None, stored: list[Any], item: Any) -> tuple[Any, float]:
    """On a node: the result, and which part of the GPU's memory was taken at most."""
    _ready(tuple(sorted(expected.items())))
    if place is not None:
        os.chdir(place)
    result = _task(stored[0])(item)
    return result, _gpu_peak()


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


def connect(address: str) -> ModuleType:
    """Ray, connected. InputError if it is not installed or no cluster is there."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise InputError(
            f"cluster is {address!r}, and Ray is not installed: pip install 'farfield[ray]', on all nodes."
        ) from error
    if ray.is_initialized():
        return ray
    # Read when a process starts: where code is, and what torch wants to know before it loads.
    local = {f"FARFIELD_{name.upper()}" for name in Local.model_fields} - {"FARFIELD_DEVICE"}
    environment = {
        **{name: value for name, value in os.environ.items() if name in local},
        "PYTHONPATH": os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH", "")])),
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    }
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level="error",
            configure_logging=False,
            runtime_env={"env_vars": environment},
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(
            f"no cluster of Ray answers at {address!r}: {str(error).splitlines()[0]} Start one with `ray start "
            f"--head` (docs/many-machines.md), or take `cluster` out of local.yaml."
        ) from error
    return ray


def ask_nodes(ray: ModuleType) -> dict[str, Facts]:
    """{node: its facts} of all nodes that take work. InputError if one does not answer."""
    strategy = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    with tempfile.NamedTemporaryFile(
        prefix="seen-by-all-", dir=SCRATCH if SCRATCH.exists() else Path()
    ) as probe:
        ask = ray.remote(facts)
        asked = {
            f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']}, {node['NodeID'][:6]})": ask.options(
                num_cpus=0, scheduling_strategy=strategy(node["NodeID"], soft=False)
            ).remote(Path(probe.name).resolve())
            for node in ray.nodes()
            if node["Alive"] and node["Resources"].get("CPU")
        }
        answers = {}
        for name, reference in asked.items():
            try:
                answers[name] = ray.get(reference, timeout=PATIENCE)
            except ray.exceptions.RayError as error:
                raise InputError(
                    f"node {name} cannot run farfield: {str(error).strip().splitlines()[-1]} Give it the same "
                    f"environment as this one."
                ) from error
    return answers


def device_of_nodes(address: str, name: str) -> "torch.device":
    """`auto` is cuda if the nodes have GPUs: each piece of work sees the one that it is given, and no other."""
    import torch

    if name == "auto":
        name = "cuda" if connect(address).cluster_resources().get("GPU") else "cpu"
    return torch.device("cuda" if name.startswith("cuda") else name)


def gpu_kinds(ray: ModuleType) -> dict[str, str]:
    """{node: kind of its GPUs}, as Ray calls it."""
    prefix = "accelerator_type:"
    return {
        f"{node['NodeManagerHostname']} ({node['NodeID'][:6]})": next(
            (name.removeprefix(prefix) for name in node["Resources"] if name.startswith(prefix)),
            "of a kind unknown",
        )
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("GPU")
    }


def require_one_kind(kinds: Mapping[str, str]) -> None:
    """InputError if GPUs are of several kinds, which round differently, or if there are none."""
    if not kinds:
        raise InputError("device is cuda, and no node of the cluster has a GPU; `device: cpu` takes none")
    if len({*kinds.values()}) > 1:
        listed = ", ".join(f"{node}: {kind}" for node, kind in kinds.items())
        raise InputError(f"the GPUs of the cluster are of several kinds, which round differently: {listed}")


def slots(ray: ModuleType, kind: Kind, share: float) -> int:
    """How many pieces of work run at the same time, on the nodes that are there now."""
    resources = ray.cluster_resources()
    return max(1, int(resources.get("GPU", 0) / share if kind == "cuda" else resources.get("CPU", 0)))
