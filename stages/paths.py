"""Where everything lies, relative to the root of the repository, which is where stages run."""

import hashlib
import json
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from farfield.datasets.cards import Card

DATA = Path("data")
FEWSHOT = Path("pipelines/fewshot")
METRICS = Path("metrics")
SITE = Path("site")
EXPECTATIONS = DATA / "expectations"


def raw(name: str) -> Path:
    return DATA / "raw" / name


def packed(name: str, card: Card) -> Path:
    return DATA / "packed" / card.role / name


def validated(name: str, card: Card) -> Path:
    return DATA / "validated" / card.role / name


def episodes(name: str) -> Path:
    return DATA / "episodes" / f"{name}.npz"


def prune(folder: Path, declared: Iterable[str]) -> None:
    """Remove from an output folder what the parameters no longer declare, such as a dropped target.

    DVC leaves the outputs of a stage that is gone. A stage that depends on the whole folder would mix
    them into its hash and, for some users only, into its result. Whatever is removed is in DVC's cache.
    """
    kept = {*declared, ".gitignore"}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name not in kept:
            print(f"removing {path}, which the parameters no longer declare", file=sys.stderr)
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def scratch(stage: str, facts: dict[str, Any], *inputs: Path) -> Path:
    """A folder for unfinished work, the same for the same stage, facts, inputs and code.

    A killed run finds its own work again; a run whose parameters, inputs or code differ in anything
    gets another folder, and so never continues from a stale one.
    """
    files = [path for place in inputs for path in [place, *sorted(place.rglob("*"))] if path.is_file()]
    stamps = [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    code = [
        hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("farfield", "stages")
        for path in sorted(Path(folder).rglob("*.py"))
    ]
    key = json.dumps([stage, facts, stamps, code], sort_keys=True, default=str)
    return Path(".farfield/scratch") / f"{stage}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
