"""Folders of finished pieces of a stage's work, which a run that goes on believes only with their checksums.

Between a kill and that run nobody else reads them; DVC knows nothing of them.
"""

import shutil
import sys
from pathlib import Path

from farfield.files import file_hash, read_json, write_json
from farfield.training.checkpoints import whose

SUMS = "sums.json"  # the last file of a folder: it says that all is there, and whose it is


def seal(folder: Path) -> None:
    """Say that what is in `folder` is all there is to come."""
    write_json(folder / SUMS, _sums(folder))


def is_sealed(folder: Path) -> bool:
    """Whether a piece is finished and has the bytes it was sealed with. One that was damaged since, or put there
    from elsewhere, is not; nor is one whose files are not all to be seen yet, on storage that nodes share."""
    if not (folder / SUMS).is_file():
        return False
    try:
        return bool(read_json(folder / SUMS) == _sums(folder))
    except (ValueError, RecursionError, OSError):  # damaged sums; files that are going, or not there yet
        return False


def reopen(folder: Path) -> None:
    """Clear the place of a piece that is to be done again: what is there after a seal is not what was left, and a
    link would have the piece of somebody else written over."""
    if folder.is_symlink() or (folder / SUMS).is_file():
        again = "this part is done again"
        print(f"{folder} does not hold the bytes that were left there; {again}", file=sys.stderr)
        folder.unlink() if folder.is_symlink() else shutil.rmtree(folder)


def _sums(folder: Path) -> list[object]:
    paths = [path for path in sorted(folder.iterdir()) if path.name != SUMS and not path.name.startswith(".")]
    return [whose(folder), {path.name: file_hash(path) if path.is_file() else None for path in paths}]
