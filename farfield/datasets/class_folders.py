"""Folders of images on this machine, `<class>/<image>`, read where they are."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from farfield.datasets.decoders import holds_image
from farfield.datasets.download import visible_paths
from farfield.datasets.layouts.index import Index, Record
from farfield.errors import InputError


@dataclass(frozen=True)
class ClassFolders:
    """index: the images, whose paths are relative to the folder. left_out: {path: reason} of the files
    that are no images."""

    index: Index
    left_out: dict[str, str]


def class_folders(folder: Path) -> ClassFolders:
    """The images of all class folders in `folder`; the label of a class is its place among the names.

    Hidden files and folders are skipped. InputError if `folder` is none, has fewer than two classes, or
    holds images deeper than in class folders.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"{folder} {what}; expected a folder with one folder of images for each class.")
    images: list[tuple[str, str]] = []  # class, path
    classes, left_out = set(), {}
    for path in visible_paths(folder):
        relative = path.relative_to(folder)
        if path.is_dir():
            if len(relative.parts) == 1:
                classes.add(relative.name)
        elif not holds_image(path):
            left_out[relative.as_posix()] = "no image by its name"
        elif len(relative.parts) == 1:
            left_out[relative.as_posix()] = "in no class folder"
        elif len(relative.parts) > 2:
            raise InputError(
                f"{path} lies deeper than <class>/<image> below {folder}. Give the folder whose folders "
                f"are the classes ({folder / relative.parts[0]}?), and keep no folders inside these."
            )
        else:
            images.append((relative.parts[0], relative.as_posix()))
    if len(classes) < 2:
        raise InputError(
            f"{folder} holds {len(classes) or 'no'} class folder{'' if not classes else f' ({min(classes)})'}; a "
            f"classifier needs at least two: {folder}/<class>/<image>."
        )
    names = sorted(classes)
    labels = {name: label for label, name in enumerate(names)}
    records = tuple(Record("", path, path, labels[name], "all") for name, path in sorted(images))
    return ClassFolders(Index(records, tuple(names)), left_out)


def fingerprint(folder: Path, index: Index) -> str:
    """A hash of all images' paths and bytes: 16 hexadecimal digits. InputError names one that cannot be read."""
    digest = hashlib.sha256("\0".join(index.class_names).encode())
    for record in index.records:
        try:
            content = hashlib.sha256((folder / record.member).read_bytes()).digest()
        except OSError as error:
            raise InputError(f"{folder / record.member} cannot be read: {error.strerror}.") from error
        digest.update(record.path.encode() + b"\0" + content)
    return digest.hexdigest()[:16]
