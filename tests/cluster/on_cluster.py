"""Nodes of Ray on this machine, and stages that a test starts on them."""

import subprocess
from dataclasses import dataclass, field
from typing import Any

import psutil

from farfield.files import file_hash
from tests.pipeline.clones import Clone

NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}
# Enough episodes for pieces of work that outlast a kill in their middle, and one adaptation more than tiny has.
CHANGES = (
    "+finetune@fewshot.finetune.last1=last1",
    "fewshot.episodes=48",
    "fewshot.shared.adapted_episodes=48",
    "fewshot.shared.finetuning.epochs=20",
)
# Of each stage: what DVC calls it, what starts it, and what it leaves.
STAGES = {
    "finetune": (
        "pipelines/fewshot/dvc.yaml:finetune@last1",
        ["python", "-m", "stages.finetune", "last1"],
        "pipelines/fewshot/results/last1.parquet",
    ),
    "tune": (
        "pipelines/spottune/dvc.yaml:tune@standard",
        ["python", "-m", "stages.tune", "spottune", "standard"],
        "pipelines/spottune/results/standard",
    ),
    "pretrain": (  # a whole stage, which a node does in one piece
        "pipelines/networks/dvc.yaml:pretrain@objects",
        ["python", "-m", "stages.pretrain", "objects"],
        "pipelines/networks/models/objects.safetensors",
    ),
    "indomain": (
        "pipelines/indomain/dvc.yaml:indomain@protonet",
        ["python", "-m", "stages.indomain", "protonet"],
        "pipelines/indomain/models/protonet",
    ),
    "baseline": (
        "pipelines/sharing/dvc.yaml:baseline@single_task",
        ["python", "-m", "stages.baseline", "single_task"],
        "pipelines/sharing/results/single_task",
    ),
}


@dataclass
class Nodes:
    """Nodes of Ray, each with one processor, in processes of this machine."""

    ray: Any
    nodes: list[Any] = field(default_factory=list)
    started: set[psutil.Process] = field(default_factory=set)

    @property
    def address(self) -> str:
        return self.ray.address

    def join(self, **more: Any) -> None:
        self.nodes.append(self.ray.add_node(**NODE, **more))
        self.ray.wait_for_nodes()

    def look(self) -> None:
        """Remember the processes of all nodes."""
        for one in psutil.Process().children(recursive=True):
            if any("ray::" in word or "site-packages/ray/" in word for word in one.cmdline()):
                self.started.add(one)

    def kill(self) -> None:
        """`kill -9` of all processes of the node that joined last."""
        self.look()
        self.ray.remove_node(self.nodes.pop(), allow_graceful=False)


def hashes(clone: Clone, stage: str) -> dict[str, str]:
    """sha256 of each file that the stage leaves."""
    out = clone.path / STAGES[stage][2]
    files = [out] if out.is_file() else sorted(path for path in out.rglob("*") if path.is_file())
    return {path.name: file_hash(path) for path in files}


def start(clone: Clone, stage: str, **environment: str) -> subprocess.Popen:
    return clone.start("env", *(f"{name}={value}" for name, value in environment.items()), *STAGES[stage][1])


def ended(process: subprocess.Popen) -> str:
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 0, said
    return said
