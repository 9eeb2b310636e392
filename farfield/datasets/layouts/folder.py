"""Class folders: `[root/][split/]<class>/<image>` in one archive or several."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from farfield.datasets.archive_checks import Member
from farfield.datasets.layouts.contents import Contents, contents_of, is_image, require_images
from farfield.datasets.layouts.holdout import hold_out
from farfield.datasets.layouts.index import Index, Record, build_index
from farfield.datasets.layouts.options import split_classes, take_options
from farfield.errors import InputError


def folder(raw: Path, options: dict[str, Any]) -> Index:
    """Rows by split, class and file; the label of a class is its place among the sorted names.

    Options: `root`, the folder that holds the classes ("dataset/train"); everything beside it is
    ignored. `splits`, the names of split folders between root and classes. `exclude`, class folders to
    leave out. `class_split`, see `split_classes`, where the classes and not the folders are divided.
    `holdout`, see `hold_out`, where the images of each class are. Without any split, all images are of the
    split "all". Files that are no images are ignored.
    """
    taken = take_options("folder", options, root="", splits=[], exclude=[], class_split={}, holdout={})
    root, splits, exclude = taken["root"].strip("/"), taken["splits"], taken["exclude"]
    if len(ways := [name for name in ("splits", "class_split", "holdout") if taken[name]]) > 1:
        raise InputError(
            f"the options {' and '.join(ways[:2])} both say what is in a split; give one of them."
        )
    contents = contents_of(raw)
    found: list[tuple[str, str, str, str]] = []  # split, class, archive, member
    classes: set[str] = set()
    for archive, members in contents.items():
        for member, (split, *parts) in _below(root, members, splits):
            if member.folder or len(parts) > 1:
                classes.add(parts[0])
            if is_image(member) and parts[0] not in exclude:
                _require_depth(raw / archive, member, parts, root, splits)
                found.append((split, parts[0], archive, member.name))
    _require_names(raw, contents, root, exclude, classes)
    require_images(raw, contents, {archive for _, _, archive, _ in found})
    if absent := [name for name in splits if name not in {split for split, *_ in found}]:
        raise InputError(f"{raw}: the split folder {absent[0]} below {root or 'the top'} has no image.")

    class_names = sorted(classes - set(exclude))
    labels = {name: label for label, name in enumerate(class_names)}
    found.sort(key=lambda image: (splits.index(image[0]) if splits else 0, *image))
    records = [
        Record(archive, member, member if len(contents) == 1 else f"{archive}/{member}", labels[name], split)
        for split, name, archive, member in found
    ]
    if taken["class_split"]:
        records, class_names = split_classes(records, class_names, taken["class_split"])
    if taken["holdout"]:
        records = hold_out(records, class_names, taken["holdout"])
    return build_index(raw, records, class_names)


def _below(
    root: str, members: tuple[Member, ...], splits: list[str]
) -> Iterator[tuple[Member, tuple[str, ...]]]:
    """The members below root, each with its split and the parts of its name that follow."""
    above = PurePosixPath(root).parts
    for member in members:
        parts = PurePosixPath(member.name).parts
        below = parts[len(above) :]
        if parts[: len(above)] != above or not below:
            continue
        if not splits:
            yield member, ("all", *below)
        elif below[0] in splits and len(below) > 1:
            yield member, below


def _require_depth(archive: Path, member: Member, parts: list[str], root: str, splits: list[str]) -> None:
    if len(parts) == 2:
        return
    where = f"{root or 'the top'}/{'<split>/' if splits else ''}<class>/<image>"
    raise InputError(
        f"{archive}: the image {member.name} does not lie at {where}; set the options root and splits to the "
        f"folders that hold the classes."
    )


def _require_names(raw: Path, contents: Contents, root: str, exclude: list[str], classes: set[str]) -> None:
    if not classes:
        tops = {PurePosixPath(member.name).parts[0] for members in contents.values() for member in members}
        raise InputError(
            f"{raw}: there is no class folder below {root or 'the top'!r}; at the top the archives hold "
            f"{', '.join(sorted(tops)[:5]) or 'nothing'}. Set the option root to the folder with the classes."
        )
    if absent := [name for name in exclude if name not in classes]:
        raise InputError(f"{raw}: the class {absent[0]}, which the option exclude leaves out, is not there.")
