"""What people's folders and archives hold, without what systems and programs leave in them."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from farfield.errors import InputError

# Names that are nobody's images or classes, in any case of letters: of macOS, Windows, NAS systems and
# viewers. Names that begin with a full stop or with ~$ are left out too.
LITTER = frozenset(
    {
        "__macosx",
        "icon\r",
        "network trash folder",
        "temporary items",
        "thumbs.db",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "desktop.ini",
        "$recycle.bin",
        "recycler",
        "system volume information",
        "lost+found",
        "@eadir",
        "@tmp",
        "@recycle",
        "@recently-snapshot",
        "#recycle",
        "#snapshot",
        "picasa.ini",
        "zbthumbnail.info",
        "__pycache__",
    }
)


def is_litter(parts: Iterable[str]) -> bool:
    """Whether a file or folder with this path, in parts, is nobody's image, class or label file."""
    return any(part.startswith((".", "~$")) or part.lower() in LITTER for part in parts)


def visible_paths(folder: Path) -> list[Path]:
    """Files and folders below `folder` by name, without litter.

    Links to files are followed, and links to folders elsewhere, such as on another disk. InputError for a
    link into `folder` itself or above it, whose images would come twice, for what is neither file nor
    folder, may not be read, or has a name that is no UTF-8.
    """
    found = []
    above = {_identity(folder)}

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename} cannot be read ({error.strerror}); see to its permissions.")

    for top, folders, files in os.walk(folder, followlinks=True, onerror=refuse):
        folders[:] = [name for name in folders if not is_litter([name])]
        for name in folders + [name for name in files if not is_litter([name])]:
            path = Path(top) / name
            if path.is_symlink() and path.is_dir():
                _require_elsewhere(path, folder, above)
            if not path.is_dir() and not path.is_file():
                raise InputError(f"{path} is a broken link or no regular file; remove it.")
            if "\\" in path.name or any("\udc80" <= letter <= "\udcff" for letter in path.name):
                raise InputError(f"the name {str(path)!r} has a backslash or is no UTF-8; rename it.")
            found.append(path)
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """A file of people's, open for reading. InputError if it is gone or may not be read, or if it changed while
    the block read it."""
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise InputError(f"{path} is no longer there.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); see to its permissions.") from error
    with file:
        before = os.fstat(file.fileno())
        yield file
        after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise InputError(f"{path} changed while it was read; run this again when nothing writes to it.")


def _require_elsewhere(link: Path, folder: Path, followed: set[tuple[int, int]]) -> None:
    """InputError if the link leads into `folder`, above it, or to what another link has led to."""
    target, top = link.resolve(), folder.resolve()
    if target.is_relative_to(top) or top.is_relative_to(target) or _identity(link) in followed:
        raise InputError(
            f"{link} is a link to a folder, {target}, that is reached by another way too; its images would come "
            f"twice. Take the link out, or put a folder of its own there."
        )
    followed.add(_identity(link))


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
