"""Where everything lies, relative to the root of the repository, which is where stages run."""

import hashlib
import json
from pathlib import Path
from typing import Any

from farfield.datasets.cards import Card
from farfield.files import file_hash
from stages.frame.declared import declared_code

DATA = Path("data")
PIPELINES = Path("pipelines")
FEWSHOT = PIPELINES / "fewshot"
SHARING = PIPELINES / "sharing"
INDOMAIN = PIPELINES / "indomain"
NETWORKS = PIPELINES / "networks"
METRICS = Path("metrics")
CHAPTERS, SITE = Path("chapters"), Path("site")
PACKED_SOURCES, PACKED_TARGETS = DATA / "packed/source", DATA / "packed/target"
VALID_SOURCES, VALID_TARGETS = DATA / "validated/source", DATA / "validated/target"
PACKED_DENSE, VALID_DENSE = DATA / "packed/sharing", DATA / "validated/sharing"
EPISODES = DATA / "episodes"
EXPECTATIONS = DATA / "expectations"


def raw(name: str) -> Path:
    return DATA / "raw" / name


def packed(name: str, card: Card) -> Path:
    return DATA / "packed" / card.role / name


def validated(name: str, card: Card) -> Path:
    return DATA / "validated" / card.role / name


def episodes(name: str) -> Path:
    return EPISODES / f"{name}.npz"


def scratch(command: str, facts: dict[str, Any], *inputs: Path) -> Path:
    """A folder for unfinished work, the same for the same command, facts, inputs and declared code.

    command: what starts the stage, without `python -m stages.`. A killed run finds its own work again; a run
    whose parameters, inputs or code differ in anything gets another folder, and so never continues from a
    stale one.
    """
    files = [path for place in inputs for path in [place, *sorted(place.rglob("*"))] if path.is_file()]
    stamps = [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    code = [[str(path), file_hash(path)] for path in declared_code(command)]
    key = json.dumps([command, facts, stamps, code], sort_keys=True, default=str)
    name = "-".join(command.split())
    return Path(".farfield/scratch") / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
