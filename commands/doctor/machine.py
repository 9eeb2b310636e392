"""What runs, what killed runs left behind, and whether this is the software that the lock file names."""

import json
import re
import stat
from collections.abc import Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from packaging.requirements import Requirement

from commands.doctor.finding import Finding, set_aside, some
from farfield.files import atomic_file
from farfield.parents import RWLOCK

if TYPE_CHECKING:
    from dvc.repo import Repo

OURS = re.compile(r"(stages|commands)\.\w+")


def versions(lock: Path = Path("requirements.lock")) -> Iterator[Finding]:
    """Packages whose version is not the one that requirements.lock names for this Python and system."""
    other = []
    for line in re.findall(r"^[A-Za-z0-9][^\\\n]*", lock.read_text(), re.M) if lock.exists() else ():
        asked = Requirement(line)
        if asked.marker and not asked.marker.evaluate():
            continue
        name, wanted = asked.name, str(asked.specifier).removeprefix("==")
        try:
            found = version(name)
        except PackageNotFoundError:
            continue  # of an extra that is not installed
        if found.split("+")[0] != wanted.split("+")[0]:
            other.append(f"{name} {found} instead of {wanted}")
    if other:
        yield Finding(
            f"other versions than those of {lock}: {some(other)}",
            "results may differ from those that are committed, in the last digits or altogether",
            "rm .venv/installed, then any `make` target installs them",
        )


def locks() -> Iterator[Finding]:
    """DVC's table of which process reads and writes what, and Git's lock on its index."""
    if RWLOCK.exists():
        try:
            table = json.loads(RWLOCK.read_bytes())
            dead = sorted({entry["pid"] for entry in _entries(table) if not psutil.pid_exists(entry["pid"])})
        except (ValueError, TypeError, KeyError, AttributeError):
            yield Finding(
                f"{RWLOCK} was cut off by a kill: {RWLOCK.stat().st_size} bytes that are no JSON",
                "every dvc command stops at it",
                f"rm {RWLOCK}",
                partial(set_aside, RWLOCK),
            )
        else:
            if dead:
                yield Finding(
                    f"{RWLOCK} names processes that were killed: {some(dead)}",
                    "nothing is lost; the next `dvc repro` warns and removes them",
                    "run `dvc repro` or `make repro`",
                    partial(_forget, table, dead),
                )
    index = Path(".git/index.lock")
    if index.exists() and not any(_name(process) == "git" for process in psutil.process_iter()):
        yield Finding(
            f"{index} was left by a Git that was killed",
            "DVC cannot add lock files to Git, and no commit is possible",
            f"rm {index}",
            partial(set_aside, index),
        )


def _entries(table: dict[str, Any]) -> list[dict[str, Any]]:
    readers = [entry for entries in table.get("read", {}).values() for entry in entries]
    return [*readers, *table.get("write", {}).values()]


def _forget(table: dict[str, Any], dead: list[int]) -> None:
    readers = {
        path: [entry for entry in entries if entry["pid"] not in dead]
        for path, entries in table.get("read", {}).items()
    }
    writers = {path: entry for path, entry in table.get("write", {}).items() if entry["pid"] not in dead}
    kept = {"read": {path: left for path, left in readers.items() if left}, "write": writers}
    with atomic_file(RWLOCK) as partial_file:
        partial_file.write_text(json.dumps(kept))


def site_cache(repo: "Repo") -> Iterator[Finding]:
    """Where DVC keeps which hash a file had: by default a folder that all users of a machine can write to."""
    folder = Path(repo.site_cache_dir)
    places = {path: path.stat().st_mode for path in (folder, *folder.parents) if path.exists()}
    reached = all(mode & stat.S_IXOTH for mode in places.values())
    anybodys = [path for path, mode in places.items() if mode & stat.S_IWOTH and not mode & stat.S_ISVTX]
    if reached and anybodys:
        own = Path.home() / ".cache/dvc-site"
        yield Finding(
            f"anybody on this machine can write to {anybodys[-1]}, where DVC keeps what it knows of files",
            "another user can make DVC take a changed file for the right one",
            f"dvc config --local core.site_cache_dir {own}",
            partial(_move_site_cache, repo, own),
        )


def _move_site_cache(repo: "Repo", own: Path) -> None:
    own.mkdir(mode=0o700, parents=True, exist_ok=True)
    own.chmod(0o700)
    with repo.config.edit("local") as config:
        config.setdefault("core", {})["site_cache_dir"] = str(own)


def orphans(root: Path) -> Iterator[Finding]:
    """Stages of this checkout that run although what started them has ended."""
    for process in psutil.process_iter():
        try:
            words, here = process.cmdline(), Path(process.cwd()) == root
            if not here or not (len(words) > 2 and words[1] == "-m" and OURS.fullmatch(words[2])):
                continue
            started = "DVC_STAGE" in process.environ()
            alone = not any(_runs_stages(parent) for parent in process.parents())
        except (psutil.Error, OSError):
            continue
        if started and alone:
            yield Finding(
                f"process {process.pid}, `{' '.join(words[1:])}`, runs on although its dvc has ended",
                "it may write an output while a next run writes it too",
                f"kill {process.pid}",
                partial(_end, process),
            )


def _runs_stages(process: psutil.Process) -> bool:
    words = " ".join(process.cmdline())
    return "dvc" in words or "side_by_side" in words or "forkserver" in words


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return ""


def _end(process: psutil.Process) -> None:
    process.terminate()
    _, alive = psutil.wait_procs([process], timeout=5)
    for one in alive:
        one.kill()
