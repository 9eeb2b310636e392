"""A cluster of Ray, on a workstation, under Slurm or on Kubernetes: reached, and asked what its nodes are.

Whoever starts it decides its size. Ray is an extra, `farfield[ray]`, and imported by nobody who names no cluster.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from farfield.errors import InputError
from farfield.local import SCRATCH, Local
from farfield.nodes import Facts, facts

if TYPE_CHECKING:
    import torch

Kind = Literal["cpu", "cuda"]
PATIENCE = 300.0  # seconds for a node to start a process and answer


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
