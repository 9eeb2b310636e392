"""A folder of images on this machine as one archive."""

import shutil
import stat
import zipfile
from pathlib import Path

from farfield.datasets.visible import opened, visible_paths
from farfield.errors import InputError
from farfield.files import atomic_file

EARLIEST = (1980, 1, 1, 0, 0, 0)  # the first time stamp that a zip can hold


def zip_folder(folder: Path, destination: Path) -> None:
    """Pack a folder of class folders into a stored zip: sorted, with fixed time stamps, without hidden files.

    The same files give the same bytes. Links are followed, for the bytes are the user's own, as in
    `visible_paths`. Empty folders are kept, so that an empty class
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
            with opened(path) as source, packed.open(info, "w") as target:
                shutil.copyfileobj(source, target, 2**20)
