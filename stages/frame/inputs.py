"""Is what a stage reads what the stage before it left? DVC trusts its cache, and most kinds of remotes.

Each output is hashed once on a machine, and again when one of its files has changed since.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from farfield.errors import InputError
from farfield.files import file_hash
from farfield.stamps import Stamps, stamps_of
from stages.frame.declared import CODE, declared
from stages.frame.params import PARAMS

VERIFIED = Path(".farfield/verified")


def require_whole(command: str) -> None:
    """InputError if an input of `python -m stages.<command>` is not what the lock files say of it, or a file of
    params/ is not."""
    names = [Path(name) for name in declared(command) if not name.startswith((*CODE, f"{PARAMS}/"))]
    inputs = [name for name in names if name != PARAMS]
    for path, md5 in _locked():
        if path.parent == PARAMS:
            _require_composed(path, md5)
        elif (
            any(path == name or name in path.parents or path in name.parents for name in inputs)
            and path.exists()
        ):
            _require(path, md5)


def _locked() -> Iterator[tuple[Path, str]]:
    """Outputs in the cache and their MD5, of all lock files.

    Of each stage the outputs alone are parsed, which come last: with all that they depend on the lock files of a
    profile take a second.
    """
    for lock in (Path("dvc.lock"), Path("data/dvc.lock"), *sorted(Path("pipelines").rglob("dvc.lock"))):
        for stage in re.split(r"(?m)^  (?=\S)", lock.read_text(encoding="utf-8") if lock.exists() else ""):
            _, found, outs = stage.partition("\n    outs:\n")
            if found:
                for out in yaml.load(outs, yaml.CSafeLoader):
                    yield Path(out["path"]), out["md5"]


def _require_composed(path: Path, md5: str) -> None:
    if path.exists() and hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() != md5:
        raise InputError(
            f"{path} is not what params.yaml and conf/ composed: it was edited since. Say in params.yaml what it "
            f"should hold, as `python -m commands.compose fewshot.episodes=200` does; without words that command "
            f"writes it anew."
        )


def _require(path: Path, md5: str) -> None:
    stamps = stamps_of(path)
    note = VERIFIED / hashlib.sha256(str(path).encode()).hexdigest()[:32]
    known = json.dumps([md5, stamps])
    if note.exists() and note.read_text(encoding="utf-8") == known:
        return
    found = _folder_hash(path, stamps) if path.is_dir() else file_hash(path, "md5")
    if found != md5:
        empty = [name for name, size, *_ in stamps if size == 0]
        raise InputError(
            f"{path} is not what its stage left: its MD5 is {found}, and the lock file says {md5}"
            f"{f'; {empty[0]} is empty' if empty else ''}. It was damaged in the cache or a remote, or changed "
            f"by hand. `farfield doctor` says which of its files; `farfield doctor --repair` brings it back."
        )
    note.parent.mkdir(parents=True, exist_ok=True)
    partial = note.with_name(
        f".{note.name}.{os.getpid()}.partial"
    )  # several stages may read the same at once
    partial.write_text(known, encoding="utf-8")
    partial.replace(note)


def _folder_hash(path: Path, stamps: Stamps) -> str:
    """As DVC has it: the MD5 of the list of its files and theirs."""
    entries = [{"md5": file_hash(path / name, "md5"), "relpath": name} for name, *_ in stamps]
    entries.sort(key=lambda entry: entry["relpath"])
    return hashlib.md5(json.dumps(entries).encode(), usedforsecurity=False).hexdigest() + ".dir"
