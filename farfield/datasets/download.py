"""Bringing archives here: from a mirror or their publisher, continued where it stopped, checked.

Sources are read through fsspec, so a mirror may be a folder, a web server or any store that fsspec
knows. What arrives waits beside the destination as `<name>.partial` and gets its name when its size
and checksum are those of the card.
"""

import os
import re
import shutil
import stat
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from farfield.datasets.cards import Archive
from farfield.errors import InputError
from farfield.files import atomic_file, file_hash

PIECE = 16 * 2**20  # bytes asked for at once: one request each where the source is a web server
EARLIEST = (1980, 1, 1, 0, 0, 0)  # the first time stamp that a zip can hold


class SourceError(Exception):
    """This source failed, and another may not; the message is the reason."""


def fetch(
    name: str, archive: Archive, destination: Path, mirror: str | None, access: str, progress: bool = True
) -> str:
    """Bring one archive to `destination` and return a line that says from where and what was verified.

    `mirror`/`archive.path` is tried first, then the urls in turn. `access` is what the card says about
    getting the file by hand. A partial file is continued; one with the wrong checksum is deleted and, if
    it had been continued, brought once more from the start. InputError if the mirror does not exist, or
    with every reason if every source fails; OSError if the disk is full, the partial file being kept.
    """
    sources = list(archive.urls)
    below = archive.path or name
    if mirror:
        _require_folder(mirror)
        sources.insert(0, f"{mirror.rstrip('/')}/{below}")
    destination.parent.mkdir(parents=True, exist_ok=True)
    partial = destination.with_name(destination.name + ".partial")
    reasons: list[str] = []
    for source in sources:
        if archive.unverified and len(sources) > 1:
            partial.unlink(missing_ok=True)  # nothing would tell if halves of two files were joined
        try:
            verified = _fetch_from(source, name, archive, partial, progress)
        except SourceError as error:
            reasons.append(f"{_shown(source)}: {error}")
            continue
        partial.replace(destination)
        earlier = f" (but not from {'; '.join(reasons)})" if reasons else ""
        return f"{name}: {destination.stat().st_size} bytes from {_shown(source)}, {verified}{earlier}"
    why = "".join(f"\n- {reason}" for reason in reasons) or " Its card gives no url, and no mirror is set."
    raise InputError(
        f"{name} could not be had from anywhere.{why}\n{access.strip() or 'It can also be got by hand.'}\n"
        f"Place the file at {_shown(mirror) if mirror else '<mirror>'}/{below}, where <mirror> is a folder or "
        f"address of your choice that is given as the mirror."
    )


def _require_folder(mirror: str) -> None:
    """InputError if a mirror on this machine does not exist: a wrong name must not start a download."""
    from fsspec.core import url_to_fs
    from fsspec.implementations.local import LocalFileSystem

    try:
        system, path = url_to_fs(mirror)
    except (ValueError, ImportError) as error:  # a protocol that is unknown or not installed
        raise InputError(f"the mirror {_shown(mirror)} cannot be read: {error}") from error
    if isinstance(system, LocalFileSystem) and not system.isdir(path):
        raise InputError(f"the mirror {mirror} does not exist or is no folder; correct it or leave it out.")


def _fetch_from(source: str, name: str, archive: Archive, partial: Path, progress: bool) -> str:
    """Fill `partial` from one source and say what was verified."""
    continued = partial.exists()
    try:
        _transfer(source, name, archive, partial, progress)
        return _verify(archive, partial)
    except SourceError:
        # A continued file that turned out wrong is gone by now; its first part may have been to blame.
        if not continued or partial.exists():
            raise
    _transfer(source, name, archive, partial, progress)
    return _verify(archive, partial)


def _transfer(source: str, name: str, archive: Archive, partial: Path, progress: bool) -> None:
    """Append to `partial` what it lacks. SourceError if the source is not readable or of another size."""
    from fsspec.core import url_to_fs
    from tqdm import tqdm

    with _source_errors():
        system, path = url_to_fs(source, **_connection(source))
        offered = system.info(path).get("size")
    if archive.size is not None and offered not in (None, archive.size):
        raise SourceError(f"it offers {offered} bytes, but the card says {archive.size}")
    start = partial.stat().st_size if partial.exists() else 0
    if offered is not None and start > offered:
        start = 0
    bar = tqdm(
        desc=name,
        total=offered,
        initial=start,
        unit="B",
        unit_scale=True,
        file=sys.stderr,
        disable=not progress,
    )
    try:
        with bar, partial.open("r+b" if start else "wb") as file:
            pieces = _pieces(system, path, start)
            while True:
                with _source_errors():
                    place, data = next(pieces, (None, b""))
                if place is None:
                    break
                if place != file.tell():  # at the start, and when the source begins anew
                    file.seek(place)
                    file.truncate()
                file.write(data)
                bar.update(place + len(data) - bar.n)
    except OSError as error:  # of our own disk: those of the source are SourceErrors by now
        error.filename = error.filename or str(partial)
        raise
    size = partial.stat().st_size
    if offered is not None and size < offered:
        raise SourceError(f"it ended after {size} of {offered} bytes")


def _pieces(system: Any, path: str, start: int) -> Iterator[tuple[int, bytes]]:
    """Yield (place, bytes) from `start` on, or from 0 if the source can only be read as a whole."""
    with system.open(path, "rb", block_size=PIECE, cache_type="none") as file:
        try:
            file.seek(start)
            while data := file.read(PIECE):
                yield start, data
                start += len(data)
            return
        except ValueError:  # a web server that does not know ranges, such as Python's own
            start = 0
    with system.open(path, "rb", block_size=0) as file:
        while data := file.read(PIECE):
            yield start, data
            start += len(data)


def _verify(archive: Archive, partial: Path) -> str:
    """Say what was verified; SourceError, and no partial file, if the size or the checksum is wrong."""
    size = partial.stat().st_size
    if archive.size is not None and size != archive.size:
        partial.unlink()
        raise SourceError(f"it gave {size} bytes, but the card says {archive.size}")
    algorithm = "md5" if archive.md5 else "sha256"
    found, wanted = file_hash(partial, algorithm), getattr(archive, algorithm)
    if archive.unverified:
        return f"NOT VERIFIED ({archive.unverified}); its sha256 is {found}: put it in the card to pin it"
    if found != wanted.lower():
        partial.unlink()
        raise SourceError(f"its {algorithm} is {found}, but the card says {wanted}")
    return f"{algorithm} verified"


@contextmanager
def _source_errors() -> Iterator[None]:
    """Any exception of a source as a SourceError; each of fsspec's stores has its own kinds."""
    try:
        yield
    except FileNotFoundError as error:
        raise SourceError("there is no such file") from error
    except Exception as error:
        raise SourceError(f"{type(error).__name__}: {error}".removesuffix(": ")) from error


def _connection(source: str) -> dict[str, Any]:
    """Options for web servers: no limit on the whole transfer, one on silence; proxies as they are set."""
    if not source.startswith(("http://", "https://")):
        return {}
    from aiohttp import ClientTimeout

    timeout = ClientTimeout(total=None, sock_connect=30, sock_read=60)
    return {"client_kwargs": {"timeout": timeout, "trust_env": True}}


def _shown(source: str) -> str:
    """The source without a user name and password, for messages."""
    return re.sub(r"//[^/@]*@", "//", source)


def zip_folder(folder: Path, destination: Path) -> None:
    """Pack a folder of class folders into a stored zip: sorted, with fixed time stamps, without hidden files.

    The same files give the same bytes. Links to files are followed, for the bytes are the user's own;
    links to folders could run in circles and are refused. Empty folders are kept, so that an empty class
    is noticed. InputError names what cannot be packed.
    """
    folder = folder.expanduser()
    if not folder.is_dir():
        raise InputError(f"the folder {folder} does not exist or is no folder.")
    paths = visible_paths(folder)
    if not any(path.is_file() for path in paths):
        raise InputError(f"the folder {folder} holds no files; expected class folders with images.")
    with atomic_file(destination) as partial, zipfile.ZipFile(partial, "w") as packed:
        for path in paths:
            name = path.relative_to(folder).as_posix()
            info = zipfile.ZipInfo(name + "/" if path.is_dir() else name, EARLIEST)
            info.create_system = 3  # Unix, on every system
            info.external_attr = (0o755 | stat.S_IFDIR if path.is_dir() else 0o644 | stat.S_IFREG) << 16
            if path.is_dir():
                packed.writestr(info, b"")
                continue
            info.file_size = path.stat().st_size
            with path.open("rb") as source, packed.open(info, "w") as target:
                shutil.copyfileobj(source, target, 2**20)


def visible_paths(folder: Path) -> list[Path]:
    """Files and folders below `folder` by name; InputError for what is neither, or has no UTF-8 name."""
    found = []
    for top, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(top) / name for name in folders + files if not name.startswith(".")):
            if path.is_symlink() and path.is_dir():
                raise InputError(f"{path} is a link to a folder; put the folder itself there.")
            if not path.is_dir() and not path.is_file():
                raise InputError(f"{path} is a broken link or no regular file; remove it.")
            if "\\" in path.name or any("\udc80" <= letter <= "\udcff" for letter in path.name):
                raise InputError(f"the name {str(path)!r} has a backslash or is no UTF-8; rename it.")
            found.append(path)
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())
