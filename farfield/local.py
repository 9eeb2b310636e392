"""What this machine decides: where and how fast, never what.

Read from `local.yaml` (untracked) and from the environment, which wins: FARFIELD_MIRROR,
FARFIELD_DEVICE, FARFIELD_WORKERS, FARFIELD_PROCESSES, FARFIELD_CLUSTER, FARFIELD_GPU_SHARE. None of it is a
parameter, since a mirror or a number of workers changes no result and so must change no hash. An experiment that
runs in a copy of the checkout (`dvc exp run --temp`, `--queue`), where untracked files are not, reads that of the
checkout.
"""

import os
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from farfield.errors import InputError

SCRATCH = Path(".farfield")  # what can be made again, and no result, below the current folder
Count = Annotated[int, Field(gt=0)]


class Local(BaseModel):
    """mirror: folder or URL that holds the archives, tried before their own urls. device: auto, cpu,
    cuda ... workers: threads that decode images, and on the CPU processes that train or adapt networks
    side by side. processes: of a training run, one an accelerator. cluster: of Ray, on whose nodes networks are
    trained and adapted: `auto`, host:port or ray://host:port. gpu_share: of a GPU of the cluster, for a task."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mirror: str | None = None
    device: str = "auto"
    workers: Count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    processes: Count = 1
    cluster: str | None = None
    gpu_share: Annotated[float, Field(gt=0, le=1)] = 1.0


def load_local(path: Path | None = None) -> Local:
    path = path or _place()
    try:
        values = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(values, dict):
        raise InputError(f"{path} must hold `name: value` lines, found {values!r}")
    if isinstance(mirror := values.get("mirror"), str) and "://" not in mirror and not mirror.startswith("~"):
        values["mirror"] = str(path.parent / mirror)
    for name in Local.model_fields:
        if value := os.environ.get(f"FARFIELD_{name.upper()}"):
            values[name] = value
    try:
        return Local.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors())
        raise InputError(f"{path} or a FARFIELD_ variable is not valid: {problems}") from error


def _place() -> Path:
    """Of local.yaml: here, or where DVC says that the checkout is of which this is a copy."""
    here, root = Path("local.yaml"), os.environ.get("DVC_ROOT")
    return Path(root) / here if root and not here.exists() else here
