"""A commit, or the workspace, as its results' files: what Git tracks there, and what its locks name.

Nothing is checked out and nothing is run: tracked files come from Git's objects, results as `objects` says.
"""

import json
import subprocess
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from farfield.errors import InputError

if TYPE_CHECKING:
    from dvc.repo import Repo

WORKSPACE = "workspace"
CLAIMS = "metrics/claims.json"
PACKAGES = "requirements.lock"
SHOWN = 6


@dataclass(frozen=True)
class Locked:
    """A stage as a lock file has it: MD5s of dependencies and outputs by path, values of parameters by key."""

    cmd: str
    deps: dict[str, str]
    params: dict[str, Any]
    outs: dict[str, str]


@dataclass(frozen=True, eq=False)
class Revision:
    """name: as people said it. commit: its hash, empty for the workspace. tracked: the files of Git that a
    difference is told from, by path. declared: its stages, by folder and name."""

    name: str
    commit: str
    tracked: dict[str, bytes]
    declared: frozenset[str] = frozenset()

    @cached_property
    def stages(self) -> dict[str, Locked]:
        """Of all lock files, by folder and name; locks keep stages that are gone, which are not among them."""
        found = {
            f"{path.removesuffix('dvc.lock')}{name}": stage
            for path, text in self.tracked.items()
            if path.split("/")[-1] == "dvc.lock"
            for name, stage in _locked(text).items()
        }
        return {name: stage for name, stage in found.items() if name in self.declared}

    @cached_property
    def outs(self) -> dict[str, str]:
        """The MD5 of every output, by path."""
        return {path: md5 for stage in self.stages.values() for path, md5 in stage.outs.items()}

    @cached_property
    def makers(self) -> dict[str, str]:
        """The stage of every output, by path."""
        return {path: name for name, stage in self.stages.items() for path in stage.outs}

    @cached_property
    def params(self) -> dict[str, Any]:
        """All of params/."""
        texts = [text for path, text in self.tracked.items() if path.startswith("params/")]
        return {key: value for text in texts for key, value in json.loads(text).items()}

    @cached_property
    def outdated(self) -> list[str]:
        """Stages that ran with other parameters than those of this revision's params/."""
        return [
            name
            for name, stage in self.stages.items()
            if any(_entry(self.params, key) != value for key, value in stage.params.items())
        ]

    @cached_property
    def claims(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.tracked.get(CLAIMS, b"{}"))
        return found

    def __str__(self) -> str:
        return f"{self.name} ({self.commit[:7]})" if self.commit else f"the {WORKSPACE}"


def _entry(params: dict[str, Any], key: str) -> Any:
    """The value of a dotted key, None where there is none."""
    value: Any = params
    for word in key.split("."):
        value = value.get(word) if isinstance(value, dict) else None
    return value


@cache
def _locked(text: bytes) -> dict[str, Locked]:
    """The stages of a lock file, which most revisions share most of."""
    found = {}
    for name, stage in ((yaml.load(text, yaml.CSafeLoader) or {}).get("stages") or {}).items():
        values = stage.get("params", {}).values()
        deps, outs = (
            {one["path"]: one.get("md5", "") for one in stage.get(kind, [])} for kind in ("deps", "outs")
        )
        params = {key: value for own in values for key, value in own.items()}
        found[name] = Locked(str(stage.get("cmd")), deps, params, outs)
    return found


def commit(repo: "Repo", name: str) -> Revision:
    """InputError if Git knows no such commit."""
    from dvc.scm import RevError, SCMError, resolve_rev

    try:
        sha = resolve_rev(repo.scm, name)
    except (RevError, SCMError) as error:
        known = git("for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/tags").decode().split()
        raise InputError(
            f"there is no commit, branch, tag or experiment '{name}' here (known: "
            f"{', '.join(known[:SHOWN])}{' ...' if len(known) > SHOWN else ''}); `git fetch` brings those of "
            f"colleagues, and a clone of depth 1 gets the past by `git fetch --unshallow`"
        ) from error
    listing = git("ls-tree", "-r", "-z", "--name-only", sha).decode().split("\0")
    names = [path for path in listing if told_from(path)]
    asked = "".join(f"{sha}:./{path}\n" for path in names).encode()
    answer, tracked = git("cat-file", "--batch", given=asked), {}
    for path in names:
        head, _, answer = answer.partition(b"\n")
        size = int(head.split()[-1])
        tracked[path], answer = answer[:size], answer[size + 1 :]
    config = repo.config
    with repo.switch(sha):
        # This machine's: what it says of a remote that the commit does not know could not be read there.
        repo.__dict__["config"] = config
        return _checked(Revision(name, sha, tracked, declared(repo, tracked, name)))


def workspace(repo: "Repo") -> Revision:
    listing = git("ls-files", "-coz", "--exclude-standard").decode().split("\0")
    paths = [Path(path) for path in listing if told_from(path)]
    tracked = {path.as_posix(): path.read_bytes() for path in paths if path.is_file()}
    return _checked(Revision(WORKSPACE, "", tracked, declared(repo, tracked, f"the {WORKSPACE}")))


def declared(repo: "Repo", tracked: dict[str, bytes], name: str) -> frozenset[str]:
    """The stages of all files dvc.yaml, as DVC expands them over the parameters that `repo` now sees."""
    from dvc.exceptions import DvcException
    from dvc.parsing import DataResolver

    found: list[str] = []
    for path, text in tracked.items():
        *folders, file = path.split("/")
        if file == "dvc.yaml":
            try:
                plan = yaml.load(text, yaml.CSafeLoader) or {}
                keys = DataResolver(repo, repo.fs.join(repo.root_dir, *folders), plan).get_keys()
                found += ["/".join([*folders, key]) for key in keys]
            except (DvcException, yaml.YAMLError) as error:
                raise InputError(f"{path} of {name} cannot be read: {error}") from error
    return frozenset(found)


def told_from(path: str) -> bool:
    return (
        path in (CLAIMS, PACKAGES)
        or path.startswith("params/")
        or path.split("/")[-1] in ("dvc.lock", "dvc.yaml")
    )


def _checked(revision: Revision) -> Revision:
    if not revision.outs:
        raise InputError(
            f"{revision} has no dvc.lock that names a result: nothing has run there; `make repro`"
        )
    return revision


def git(*words: str, given: bytes | None = None) -> bytes:
    """InputError with Git's own words if it fails."""
    done = subprocess.run(["git", *words], input=given, capture_output=True)
    if done.returncode:
        raise InputError(f"git {words[0]} fails: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
