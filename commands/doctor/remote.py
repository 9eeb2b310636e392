"""Does a remote hold what the lock files name, byte for byte, and does DVC look at what it brings?"""

import hashlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from commands.doctor.contents import Contents
from commands.doctor.finding import Finding, some
from farfield.errors import InputError

if TYPE_CHECKING:
    from dvc.repo import Repo

# What a client of a remote raises, by the name of its type or a word of its message, and what is to be done.
REASONS = (
    (
        "NoCredentialsError|PartialCredentials",
        "no key is given; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a "
        "profile of ~/.aws/credentials",
    ),
    (
        "InvalidAccessKeyId|SignatureDoesNotMatch",
        "the server does not know this key, or not with this secret",
    ),
    (
        "AccessDenied|Forbidden|403|PermissionError|Permission denied|PermissionDenied",
        "it refuses access to this user or "
        "key; for SSH see that `ssh` to the host gets in without a password",
    ),
    ("NoSuchBucket|bucket does not exist", "there is no such bucket; create it, or mend the URL"),
    (
        "gaierror|Name or service not known|Temporary failure in name resolution",
        "its host has no address; mend the URL, or the network",
    ),
    (
        "ConnectionRefused|Connect call failed|EndpointConnectionError|ConnectorError|ClientConnectorError",
        "nothing answers at that address; is the server running, and the port right?",
    ),
    ("HostKeyNotVerifiable|Host key", "the host's key is not known; `ssh` there once and confirm it"),
    ("Timeout|timed out", "it does not answer in time"),
    (
        "No module named|ModuleNotFound|requires dvc",
        "its client is not installed; `make repro` installs those of S3 and SSH",
    ),
    (
        "NotADirectoryError|Read-only file system|No such file or directory",
        "the folder cannot be read; is it mounted?",
    ),
)
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


def local_halves(repo: "Repo") -> Iterator[Finding]:
    """Remotes of which this machine's own configuration says a part, as a key, and not the URL."""
    urls = {name: remote["url"] for name, remote in repo.config["remote"].items() if "url" in remote}
    for name, remote in repo.config.read("local").get("remote", {}).items():
        if "url" not in remote and name in urls:
            yield Finding(
                f".dvc/config.local names the remote {name} without its URL",
                "`dvc metrics diff`, `params diff` and `plots diff` load nothing of commits that do not know the "
                "remote",
                f"dvc config --local remote.{name}.url {urls[name]}",
                partial(_complete, repo, name, urls[name]),
            )


def _complete(repo: "Repo", name: str, url: str) -> None:
    with repo.config.edit("local") as config:
        config["remote"][name]["url"] = url


def _verify(repo: "Repo", name: str) -> None:
    for level in ("local", "repo", "global"):
        if name in repo.config.read(level).get("remote", {}):
            with repo.config.edit(level) as config:
                config["remote"][name]["verify"] = True
            return


def explained(error: BaseException) -> str:
    """Why a remote does not answer: the first of the errors behind `error` that is known, or its message."""
    chain: list[BaseException] = []
    while error and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    for one in reversed(chain):
        words = f"{type(one).__name__}: {one}"
        for pattern, reason in REASONS:
            if re.search(pattern, words):
                return f"{reason} ({_line(one)})"
    return _line(chain[0])


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:160]


def in_the_remote(repo: "Repo", contents: Contents, name: str) -> Iterator[Finding]:
    """Every object that the lock files name, read whole. InputError if there is no such remote."""
    from dvc.config import ConfigError
    from dvc.exceptions import DvcException

    try:
        remote = repo.cloud.get_remote_odb(name or None, "doctor", hash_name="md5")
    except ConfigError as error:
        raise InputError(f"there is no remote to look into: {error}") from error
    except DvcException as error:
        raise InputError(f"the remote cannot be asked: {explained(error)}") from error
    needed = contents.needed()
    try:
        remote.fs.ls(remote.fs.parent(remote.fs.parent(remote.path)))
    except Exception as error:  # of whichever client it is
        nothing_yet = isinstance(error, FileNotFoundError) and "bucket" not in str(error)
        if not nothing_yet:
            url = remote.fs.unstrip_protocol(remote.path)
            raise InputError(f"the remote at {url} does not answer: {explained(error)}") from error
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
