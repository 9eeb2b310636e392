"""DVC's memory of what stages left, by which it restores results in the place of running them again."""

import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from commands.doctor.finding import Finding, set_aside

if TYPE_CHECKING:
    from dvc.repo import Repo

WRITTEN = 60  # seconds after which what is written beside entries is what a kill left


def of_earlier_runs(repo: "Repo") -> Iterator[Finding]:
    """What DVC would restore from, or stop at, unseen: entries that are not what their names say or lie where
    those of another stage belong, what is no entry, folders without one. What cannot be read is left to DVC."""
    folder = Path(repo.stage_cache.cache_dir)
    for place in sorted(folder.glob("[0-9a-f][0-9a-f]/*")):
        try:
            entries = sorted(place.iterdir()) if place.is_dir() else [place]
            wrong = [path for path in entries if not _is_right(path)]
        except OSError:  # another checkout has taken it away, or it is somebody else's
            continue
        if not entries:
            yield Finding(
                f"{os.path.relpath(place)}, where DVC remembers runs of a stage, is empty",
                "DVC ends with `join() argument must be str` where that stage is to run",
                f"rmdir {os.path.relpath(place)}",
                place.rmdir,
            )
        for path in wrong:
            yield Finding(
                f"{os.path.relpath(path)} is not what its name says: it was damaged, or edited",
                "DVC may restore another result for a stage than the one that it left, as if it had run",
                "set it aside; the stage runs again where it is wanted",
                partial(_forget, path, f"runs/{path.relative_to(folder)}", place),
            )


def _is_right(path: Path) -> bool:
    """Whether an entry's name is the hash of all that it holds but sizes and numbers of files, and its folder's
    that of the same with no more of its outputs than their paths. What another run is writing now is let be."""
    from dvc.utils import dict_sha256

    if len(path.name) != 64 and path.is_file() and time.time() - path.stat().st_mtime < WRITTEN:
        return True
    if not path.is_file():
        return False
    try:
        held = yaml.load(path.read_bytes(), yaml.CSafeLoader)
        asked = {**held, "outs": [out["path"] for out in held["outs"]]}
        names = [dict_sha256(values, exclude=["size", "nfiles"]) for values in (held, asked)]
    except (yaml.YAMLError, ValueError, AttributeError, LookupError, TypeError, RecursionError):
        return False
    return names == [path.name, path.parent.name]


def _forget(path: Path, name: str, place: Path) -> None:
    set_aside(path, name)
    if place.is_dir() and not any(place.iterdir()):
        place.rmdir()
