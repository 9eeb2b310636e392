"""Does a remote hold what the lock files name, byte for byte, and does DVC look at what it brings?"""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from commands.doctor.contents import Contents
from commands.doctor.finding import Finding, some
from farfield.errors import InputError

if TYPE_CHECKING:
    from dvc.repo import Repo

READERS = 8  # files of a remote read at once
PIECE = 1 << 20


def trusting_remotes(repo: "Repo") -> Iterator[Finding]:
    """Remotes whose objects DVC takes without looking: all kinds but HTTP, unless it is told otherwise."""
    for name, remote in repo.config["remote"].items():
        if not remote.get("verify"):
            yield Finding(
                f"DVC does not verify what it brings from the remote {name}",
                "an object that was damaged there enters the cache under the name of the right one",
                f"dvc remote modify {name} verify true",
                partial(_verify, repo, name),
            )


def _verify(repo: "Repo", name: str) -> None:
    for level in ("local", "repo", "global"):
        if name in repo.config.read(level).get("remote", {}):
            with repo.config.edit(level) as config:
                config["remote"][name]["verify"] = True
            return


def in_the_remote(repo: "Repo", contents: Contents, name: str) -> Iterator[Finding]:
    """Every object that the lock files name, read whole. InputError if there is no such remote."""
    from dvc.config import ConfigError

    try:
        remote = repo.cloud.get_remote_odb(name or None, "doctor", hash_name="md5")
    except ConfigError as error:
        raise InputError(f"there is no remote to look into: {error}") from error
    needed = contents.needed()
    with ThreadPoolExecutor(READERS) as pool:
        found = dict(zip(needed, pool.map(partial(_md5, remote), needed), strict=True))
    missing = [oid for oid, digest in found.items() if digest is None]
    if missing:
        outs = sorted({out for oid in missing for out in needed[oid]})
        yield Finding(
            f"the remote lacks {len(missing)} objects, of {some(outs)}",
            "a colleague runs their stages again",
            "dvc push",
        )
    for oid, digest in found.items():
        if digest is not None and digest != oid.removesuffix(".dir"):
            sound = oid in contents.sound
            yield Finding(
                f"the object {oid} of the remote, of {some(sorted(set(needed[oid])))}, "
                f"is damaged: its MD5 is {digest}",
                "whoever pulls it gets wrong bytes, or computes it again",
                "remove it there and push it again"
                if sound
                else "remove it there; no sound copy is in this cache",
                partial(_replace, remote, contents, oid) if sound else None,
            )


def _md5(remote: Any, oid: str) -> str | None:
    """Of an object of a remote; None if it is not there."""
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with remote.fs.open(remote.oid_to_path(oid), "rb") as file:
            while piece := file.read(PIECE):
                digest.update(piece)
    except FileNotFoundError:
        return None
    return digest.hexdigest()


def _replace(remote: Any, contents: Contents, oid: str) -> None:
    path = remote.oid_to_path(oid)
    remote.fs.remove(path)
    remote.fs.put_file(str(contents.objects[oid]), path)
