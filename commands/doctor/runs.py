"""DVC's memory of what stages left, by which it restores results in the place of running them again."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from commands.doctor.finding import Finding, set_aside

if TYPE_CHECKING:
    from dvc.repo import Repo


def of_earlier_runs(repo: "Repo") -> Iterator[Finding]:
    """Entries that are not what their names say, which DVC does not look at: the hash of all that they hold but
    sizes and numbers of files. And folders without an entry, which DVC 3 cannot read."""
    from dvc.utils import dict_sha256

    folder = Path(repo.stage_cache.cache_dir)
    for place in sorted(folder.glob("[0-9a-f][0-9a-f]/*")):
        if place.is_dir() and not any(place.iterdir()):
            yield Finding(
                f"{os.path.relpath(place)}, where DVC remembers runs of a stage, is empty",
                "DVC ends with `join() argument must be str` where that stage is to run",
                f"rmdir {os.path.relpath(place)}",
                place.rmdir,
            )
    for path in sorted(folder.glob("[0-9a-f][0-9a-f]/*/*")):
        if len(path.name) != 64 or not path.is_file():
            continue
        try:
            held = dict_sha256(yaml.load(path.read_bytes(), yaml.CSafeLoader), exclude=["size", "nfiles"])
        except (yaml.YAMLError, ValueError, AttributeError, TypeError):
            held = ""
        if held != path.name:
            place = path.relative_to(folder)
            yield Finding(
                f"{os.path.relpath(path)} is not what its name says: it was damaged, or edited",
                "DVC may restore another result for a stage than the one that it left, as if it had run",
                "set it aside; the stage runs again where it is wanted",
                partial(_forget, path, f"runs/{place}"),
            )


def _forget(path: Path, name: str) -> None:
    set_aside(path, name)
    if not any(path.parent.iterdir()):
        path.parent.rmdir()
