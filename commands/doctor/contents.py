"""Are the outputs in the workspace and the objects in the cache what the lock files and their names say?"""

import contextlib
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from dvc.exceptions import DvcException

from commands.doctor.finding import FETCH, LINK, Finding, set_aside, some
from commands.doctor.hashing import Hashes, identity_of

if TYPE_CHECKING:
    from dvc.output import Output
    from dvc.repo import Repo

OBJECT = re.compile(r"[0-9a-f]{2}/[0-9a-f]{30}(\.dir)?")


@dataclass
class Contents:
    """Everything that a lock file names, and the cache as a whole; read when it is first asked for."""

    repo: "Repo"
    hashes: Hashes = field(default_factory=Hashes)

    @cached_property
    def cache(self) -> Path:
        return Path(self.repo.cache.local.path)

    def place(self, oid: str) -> Path:
        """Where the object of that name lies."""
        return self.cache / oid[:2] / oid[2:]

    @cached_property
    def objects(self) -> dict[str, Path]:
        """The objects of the cache by name."""
        return {oid: path for oid, path in self._named.items() if path.is_file()}

    @cached_property
    def no_objects(self) -> list[Path]:
        """What has the name of one and is no file: folders, and links that lead nowhere."""
        return [path for path in self._named.values() if not path.is_file()]

    @cached_property
    def _named(self) -> dict[str, Path]:
        found = (self.cache.glob("[0-9a-f][0-9a-f]/*")) if self.cache.is_dir() else ()
        return {
            path.parent.name + path.name: path
            for path in sorted(found)
            if OBJECT.fullmatch(f"{path.parent.name}/{path.name}")
        }

    @cached_property
    def outputs(self) -> list["Output"]:
        """What the cache should hold, as far as it was ever made."""
        outputs = [out for stage in self.repo.index.stages for out in stage.outs]
        return [out for out in outputs if out.use_cache and out.hash_info.value]

    def read(self) -> None:
        """All files, each once."""
        paths = [*self.objects.values()]
        for out in self.outputs:
            paths += files_of(Path(out.fs_path))
        self.hashes.read(path for path in paths if path.is_file())

    @cached_property
    def sound(self) -> set[str]:
        """Objects that are what their names say."""
        return {oid for oid, path in self.objects.items() if self.hashes[path] == oid.removesuffix(".dir")}

    def listing(self, out: "Output") -> dict[Path, str] | None:
        """The files of an output and their MD5. None if the object that lists them is missing or damaged."""
        path, oid = Path(out.fs_path), out.hash_info.value
        if not oid.endswith(".dir"):
            return {path: oid}
        if oid not in self.sound:
            return None
        entries = json.loads(self.objects[oid].read_bytes())
        return {path / entry["relpath"]: entry["md5"] for entry in entries}

    def needed(self) -> dict[str, list[str]]:
        """{object: the outputs that hold it}, of all that the lock files name."""
        found: dict[str, list[str]] = {}
        for out in self.outputs:
            oids = {out.hash_info.value, *(self.listing(out) or {}).values()}
            for oid in oids:
                found.setdefault(oid, []).append(str(out))
        return found

    def is_damaged_object(self, file: Path) -> bool:
        """Whether a file of the workspace is a link to one, which is another finding."""
        return identity_of(file) in self._damaged

    @cached_property
    def _damaged(self) -> set[tuple[int, int]]:
        return {identity_of(path) for oid, path in self.objects.items() if oid not in self.sound}

    def fetch_or_recompute(self) -> None:
        """Bring what the cache lacks from the default remote, look at it, and run the stages of the rest."""
        from dvc.repo import Repo

        if self.repo.config["core"].get("remote"):
            print("  fetching from the remote")
            with contextlib.suppress(DvcException):  # of what the remote lacks too
                Repo().fetch()
        after = Contents(Repo())
        after.read()
        for oid in after.objects.keys() - after.sound:
            take_out(after, oid)
        # One by one: asked for several, DVC looks for the storage of outputs that are none of them.
        for out in after.outputs:
            if after.listing(out) is not None:
                checkout(str(out))
        print("  running the stages of what is still missing, and others that have changed")
        subprocess.run([sys.executable, "-m", "commands.side_by_side", "2"], check=False)


def files_of(path: Path) -> list[Path]:
    """A file, or all files of a folder; none of what a link to a folder leads to, which is somebody else's."""
    if path.is_dir() and not path.is_symlink():
        found = [Path(folder) / name for folder, _, names in os.walk(path) for name in sorted(names)]
        return [file for file in found if file.is_file()]
    return [path] if path.is_file() else []


def in_the_cache(contents: Contents) -> Iterator[Finding]:
    needed = contents.needed()
    for oid in sorted(contents.objects.keys() - contents.sound):
        path, used = contents.objects[oid], needed.get(oid, [])
        yield Finding(
            f"{path} is damaged: {path.stat().st_size} bytes whose MD5 is "
            f"{contents.hashes[path] or 'unreadable'}, not its name",
            f"DVC trusts it, and stages get wrong bytes from {some(used) if used else 'whatever holds it'}",
            "set it aside, then fetch it again or run its stage again",
            partial(take_out, contents, oid),
        )
    for path in contents.no_objects:
        yield Finding(
            f"{path} is {'a folder' if path.is_dir() else 'a link that leads nowhere'}, where DVC keeps a file",
            "DVC takes it for the object of that name, and fails where it is wanted",
            "set it aside, then fetch it again or run its stage again",
            partial(set_aside, path, f"cache/{path.parent.name}{path.name}"),
        )
    writable = [path for path in contents.objects.values() if stat.S_IMODE(path.stat().st_mode) & 0o222]
    if writable:
        yield Finding(
            f"{len(writable)} objects of the cache can be written to: {some(writable)}",
            "a program that opens a linked output for writing changes the cache, unseen",
            f"chmod a-w {contents.cache}/*/*",
            partial(_protect, writable),
        )


def take_out(contents: Contents, oid: str) -> None:
    """Set a damaged object aside, and remove the links to it: they would look like somebody's own files."""
    path = contents.objects[oid]
    identity = identity_of(path)
    for out in contents.outputs:
        for file in files_of(Path(out.fs_path)):
            if identity_of(file) == identity:
                file.unlink()
    set_aside(path, f"cache/{oid}")


def _protect(paths: list[Path]) -> None:
    for path in paths:
        if path.exists():
            path.chmod(0o444)


def in_the_workspace(contents: Contents) -> Iterator[Finding]:
    all_lost: list[Path | str] = []  # one finding: in a fresh clone it is everything
    for out in contents.outputs:
        path, wanted = Path(out.fs_path), contents.listing(out)
        if wanted is None:
            all_lost.append(f"the list of the files of {out}")
            continue
        lost = [file for file, oid in wanted.items() if oid not in contents.sound]
        all_lost += lost
        absent = [file for file in wanted if not file.is_file()]
        changed = [
            file
            for file in files_of(path)
            if contents.hashes[file] != wanted.get(file) and not contents.is_damaged_object(file)
        ]
        if changed:
            yield Finding(
                f"{some(changed)} is not what the lock file of {out} says",
                "stages that read it compute what belongs to no parameters",
                f"keep elsewhere what is yours, then `dvc checkout {out}`",
                partial(put_away, contents, changed),
            )
        if (absent or changed) and not lost:
            yield Finding(
                f"{some(absent or changed)} must be linked again; the cache has it",
                "whoever looks there finds nothing; `make repro` brings it back",
                f"dvc checkout {out}",
                partial(checkout, str(out)),
                LINK,
            )
        if not absent and not changed and not lost:
            yield from _copies(contents, str(out), wanted)
    if all_lost:
        yield _lost(contents, some(all_lost))


def _lost(contents: Contents, what: str) -> Finding:
    return Finding(
        f"{what} is in no cache, or damaged there",
        "it cannot be restored, shared or pushed, and is computed again when it is needed",
        "`dvc fetch` if a remote has it; else `make repro` runs its stage again",
        contents.fetch_or_recompute,
        FETCH,
    )


def put_away(contents: Contents, files: list[Path]) -> None:
    """Out of the way; whatever is in the cache too can go."""
    for file in files:
        if contents.hashes[file] in contents.sound:
            file.unlink()
        else:
            set_aside(file, f"workspace/{os.path.relpath(file)}")


def checkout(target: str) -> None:
    from dvc.repo import Repo

    Repo().checkout(targets=[target], allow_missing=True)


def _link_again(contents: Contents, files: list[Path], out: str) -> None:
    """Not by `dvc checkout --relink`, which leaves copies where cache.type names `copy` or `reflink` too."""
    put_away(contents, files)
    checkout(out)


def _copies(contents: Contents, out: str, wanted: dict[Path, str]) -> Iterator[Finding]:
    """Files that could be links and are none. DVC copies empty ones."""
    kinds = contents.repo.cache.local.cache_types
    if kinds[0] not in ("hardlink", "symlink"):
        return
    copies = [
        file
        for file, oid in wanted.items()
        if not file.is_symlink()
        and file.stat().st_size
        and identity_of(file) != identity_of(contents.objects[oid])
        and ("symlink" in kinds or file.stat().st_dev == contents.objects[oid].stat().st_dev)
    ]
    if copies:
        size = sum(file.stat().st_size for file in copies)
        yield Finding(
            f"{some(copies)}: copies of what is in the cache, not links",
            f"{size / 1e6:.1f} MB are stored twice, and what changes them goes unseen",
            f"rm them, then `dvc checkout {out}`",
            partial(_link_again, contents, copies, out),
            LINK,
        )
