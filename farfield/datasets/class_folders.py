"""Folders of images on this machine, `<class>/<image>`, read where they are."""

import hashlib
from pathlib import Path

from farfield.datasets.layouts.forms.folders import class_folders_in
from farfield.datasets.layouts.forms.found import Labelled
from farfield.datasets.layouts.forms.holdings import holdings_of
from farfield.datasets.layouts.index import Index
from farfield.datasets.visible import opened
from farfield.errors import InputError


def class_folders(folder: Path) -> Labelled:
    """The images of all class folders in `folder`, which may have folders of splits and others around them; the
    label of a class is its place among the names.

    Hidden files and litter are skipped. InputError if `folder` is none, has fewer than two classes, or holds
    folders below the classes that may mean anything.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"{folder} {what}; expected a folder with one folder of images for each class.")
    return class_folders_in(holdings_of(folder))


def fingerprint(root: Path, index: Index) -> str:
    """A hash of all that is known of the images and of the bytes of the files that hold them: 16 hexadecimal
    digits. root: what the places in the records are relative to."""
    digest = hashlib.sha256("\0".join(index.class_names).encode())
    contents: dict[Path, bytes] = {}
    for record in index.records:
        path = root / (record.archive or record.member)
        file = next((place for place in (path, *path.parents) if place.is_file()), path)
        if file not in contents:
            with opened(file) as source:
                contents[file] = hashlib.file_digest(source, "sha256").digest()
        digest.update(repr(record).encode() + b"\0" + contents[file])
    return digest.hexdigest()[:16]
