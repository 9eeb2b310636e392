"""Bringing archives here: from a mirror or their publisher, continued where it stopped, checked.

Sources are read through fsspec, so a mirror may be a folder, a web server or any store that fsspec
knows. What arrives waits beside the destination as `<name>.partial` and gets its name when its size
and checksum are those of the card; without a publisher's checksum, when it is no web page and, of an
archive, when all its members have been walked.
"""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from farfield.datasets.cards import Archive
from farfield.errors import InputError
from farfield.files import file_hash, read_json, write_json

VERSION = ("ETag", "Last-Modified", "LastModified", "mtime")  # what stores of fsspec say of a file's version
PIECE = 16 * 2**20  # bytes asked for at once: one request each where the source is a web server
# How a web page begins that stands in the place of a file: a question, a login, an error.
PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*(<!doctype\s+html|<html|<head|<body)",
    re.I | re.S,
)
TITLE = re.compile(rb"<title[^>]*>(.*?)</title", re.I | re.S)


class SourceError(Exception):
    """This source failed, and another may not; the message is the reason."""


def fetch(
    name: str,
    archive: Archive,
    destination: Path,
    mirror: str | None,
    access: str,
    *,
    walk: Callable[[Path], object] | None = None,
    progress: bool = True,
) -> str:
    """Bring one archive to `destination` and return a line that says from where and what was verified.

    `mirror`/`archive.path` is tried first, then the urls in turn. `access` is what the card says about
    getting the file by hand. A partial file is continued; one with the wrong checksum is deleted and, if
    it had been continued, brought once more from the start. `walk` raises InputError if an archive that has no
    checksum is none; it is deleted too, so that the same call works once the right one is there. InputError if
    the mirror does not exist, or
    with every reason if every source fails; OSError if the disk is full, the partial file being kept.
    """
    sources = list(archive.urls)
    below = archive.path or name
    if mirror:
        mirror = _mirror(mirror)
        sources.insert(0, _joined(mirror, below))
    destination.parent.mkdir(parents=True, exist_ok=True)
    partial = destination.with_name(destination.name + ".partial")
    reasons: list[str] = []
    for source in sources:
        if archive.unverified and len(sources) > 1:
            partial.unlink(missing_ok=True)  # nothing would tell if halves of two files were joined
        try:
            verified = _fetch_from(source, name, archive, partial, walk, progress)
        except SourceError as error:
            reasons.append(f"{_shown(source)}: {error}")
            if not partial.exists():
                _note(partial).unlink(missing_ok=True)
            continue
        partial.replace(destination)
        _note(partial).unlink(missing_ok=True)
        earlier = f" (but not from {'; '.join(reasons)})" if reasons else ""
        return f"{name}: {destination.stat().st_size} bytes from {_shown(source)}, {verified}{earlier}"
    why = "".join(f"\n- {reason}" for reason in reasons) or " Its card gives no url, and no mirror is set."
    raise InputError(
        f"{name} could not be had from anywhere.{why}\n{access.strip() or 'It can also be got by hand.'}\n"
        f"Place the file at {_shown(mirror) if mirror else '<mirror>'}/{below}, where <mirror> is a folder or "
        f"address of your choice that is given as the mirror."
    )


def _mirror(mirror: str) -> str:
    """The mirror with ~ for the home folder put in. InputError if one on this machine does not exist: a wrong
    name must not start a download."""
    if "://" not in mirror:
        folder = Path(mirror).expanduser()
        if not folder.is_dir():
            raise InputError(
                f"the mirror {folder} does not exist or is no folder; correct it or leave it out."
            )
        return str(folder)
    try:
        system, path = _opened(mirror)
    except (ValueError, ImportError) as error:  # a protocol that is unknown or not installed
        raise InputError(f"the mirror {_shown(mirror)} cannot be read: {error}") from error
    if "file" in (system.protocol if isinstance(system.protocol, tuple) else (system.protocol,)):
        _mirror(path)
    return mirror


def _joined(mirror: str, below: str) -> str:
    """The place `below` a mirror; in the address of a web server, signs that mean something there are quoted."""
    if mirror.startswith(("http://", "https://")):
        address, mark, query = mirror.partition("?")
        return f"{address.rstrip('/')}/{quote(below)}{mark}{query}"
    return f"{mirror.rstrip('/')}/{below}"


def _opened(source: str) -> tuple[Any, str]:
    """The file system of a source and the path in it. A path without a scheme is one on this machine, whatever
    signs it holds: a chain of file systems, as fsspec reads `::`, is for URLs."""
    from fsspec.core import url_to_fs
    from fsspec.implementations.local import LocalFileSystem

    if "://" not in source:
        return LocalFileSystem(), str(Path(source).expanduser().absolute())
    return url_to_fs(source, **_connection(source))


def _fetch_from(
    source: str,
    name: str,
    archive: Archive,
    partial: Path,
    walk: Callable[[Path], object] | None,
    progress: bool,
) -> str:
    """Fill `partial` from one source and say what was verified."""
    continued = partial.exists()
    try:
        _transfer(source, name, archive, partial, progress)
        return _verify(name, archive, partial, walk)
    except SourceError:
        # A continued file that turned out wrong is gone by now; its first part may have been to blame.
        if not continued or partial.exists():
            raise
    _transfer(source, name, archive, partial, progress)
    return _verify(name, archive, partial, walk)


def _transfer(source: str, name: str, archive: Archive, partial: Path, progress: bool) -> None:
    """Append to `partial` what it lacks. SourceError if the source is not readable or of another size."""
    from tqdm import tqdm

    with _source_errors():
        system, path = _opened(source)
        facts = system.info(path)
    offered = facts.get("size")
    if archive.size is not None and offered not in (None, archive.size):
        raise SourceError(f"it offers {offered} bytes, but the card says {archive.size}")
    start = partial.stat().st_size if partial.exists() else 0
    if offered is not None and start > offered:
        start = 0
    if archive.unverified and not _same_version(partial, facts):
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


def _same_version(partial: Path, facts: dict[str, Any]) -> bool:
    """Whether what `partial` holds is of the version that the source has now, which is noted beside it.

    Without a checksum nothing else would tell that the file was replaced in between. A source that says nothing
    of its version, or its size alone, is read anew.
    """
    note = _note(partial)
    version = {name: str(facts[name]) for name in VERSION if name in facts}
    try:
        known = read_json(note)
    except (FileNotFoundError, ValueError):  # or damaged: then nothing is known
        known = {}
    write_json(note, version | {"size": facts.get("size")})
    return bool(version) and known == version | {"size": facts.get("size")}


def _note(partial: Path) -> Path:
    return partial.with_name(partial.name + ".version")


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


def _verify(name: str, archive: Archive, partial: Path, walk: Callable[[Path], object] | None) -> str:
    """Say what was verified; SourceError, and no partial file, if the size or the checksum is wrong or, without
    a checksum, what came is no archive."""
    size = partial.stat().st_size
    if archive.size is not None and size != archive.size:
        partial.unlink()
        raise SourceError(f"it gave {size} bytes, but the card says {archive.size}")
    algorithm = "md5" if archive.md5 else "sha256"
    found, wanted = file_hash(partial, algorithm), getattr(archive, algorithm)
    if archive.unverified:
        if fault := _fault(name, partial, walk):
            partial.unlink()
            raise SourceError(fault)
        return f"NOT VERIFIED ({archive.unverified}); its sha256 is {found}: put it in the card to pin it"
    if found != wanted.lower():
        partial.unlink()
        raise SourceError(f"its {algorithm} is {found}, but the card says {wanted}")
    return f"{algorithm} verified"


def _fault(name: str, partial: Path, walk: Callable[[Path], object] | None) -> str:
    """Why a file without a checksum is not what its name says; empty if nothing speaks against it."""
    with partial.open("rb") as file:
        start = file.read(2**16)
    if (page := PAGE.match(start)) and not name.lower().endswith((".html", ".htm", ".xhtml")):
        title = TITLE.search(start)
        called = f" ({' '.join(title[1].decode('utf-8', 'replace').split())!r})" if title else ""
        return f"what came is a web page{called}, {page[1].decode()} and so on, and not the file"
    try:
        if walk is not None:
            walk(partial)
    except InputError as error:
        return f"what came is refused: {str(error).replace(str(partial), name)}"
    return ""


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
