"""What the archives of one dataset hold: images by name, and label files."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from farfield.datasets import archives
from farfield.datasets.archive_checks import Member
from farfield.datasets.decoders import SUFFIXES
from farfield.datasets.visible import is_litter
from farfield.errors import InputError

Contents = dict[str, tuple[Member, ...]]


def contents_of(raw: Path) -> Contents:
    """The members of every archive in `raw`, by the archive's name, without what desktops leave behind.

    InputError if there is no archive, or one that is unsafe or damaged.
    """
    paths = sorted(path for path in raw.glob("*") if path.name.lower().endswith(archives.SUFFIXES))
    if not paths:
        raise InputError(f"{raw} holds no archive ({', '.join(archives.SUFFIXES)}); download it first.")
    return {
        path.name: tuple(m for m in archives.scan(path) if not is_litter(m.name.split("/"))) for path in paths
    }


def is_image(member: Member) -> bool:
    return not member.folder and member.name.lower().endswith(SUFFIXES)


def images_by_file_name(raw: Path, contents: Contents, parts: int = 1) -> dict[str, tuple[str, str]]:
    """(archive, member) of every image by the last `parts` parts of its path, by default its file name.

    For datasets whose label files leave out the folders above. InputError if a name is there twice.
    """
    places: dict[str, tuple[str, str]] = {}
    for archive, members in contents.items():
        for member in filter(is_image, members):
            name = "/".join(PurePosixPath(member.name).parts[-parts:])
            if name in places:
                first = "/".join(places[name])
                raise InputError(f"{raw}: the image {name} is both in {first} and {archive}/{member.name}.")
            places[name] = archive, member.name
    return places


def require_images(raw: Path, archive_names: Iterable[str], used: Iterable[str]) -> None:
    """InputError that names the archives from which nothing is used."""
    idle = sorted(set(archive_names) - set(used))
    if idle:
        raise InputError(
            f"{raw / idle[0]} holds no image that belongs to the dataset; check that it is the right "
            f"file and that the card's layout and options fit it."
        )


def require_found(labels: str, missing: list[str], raw: Path) -> None:
    """InputError that names the label file and the images that it speaks of in vain."""
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise InputError(
            f"{labels} names images that no archive in {raw} holds: {', '.join(missing[:3])}{more}. An "
            f"archive is incomplete, or the labels belong to another release."
        )


def label_files(raw: Path, contents: Contents, names: Iterable[str]) -> dict[str, bytes]:
    """The bytes of each label file, which lies in `raw` itself or somewhere in one of its archives.

    InputError if a file is nowhere or at several places.
    """
    names = list(names)
    data = {name: (raw / name).read_bytes() for name in names if (raw / name).is_file()}
    for archive, members in contents.items():
        inside = {
            member.name: PurePosixPath(member.name).name
            for member in members
            if not member.folder and PurePosixPath(member.name).name in names
        }
        inside = {member: name for member, name in inside.items() if not (raw / name).is_file()}
        for member, content in archives.stream(raw / archive, inside):
            if inside[member] in data:
                raise InputError(f"{raw}: the archives hold several files named {inside[member]}.")
            data[inside[member]] = content
    for name in names:
        if name not in data:
            raise InputError(f"{raw}: the label file {name} is neither there nor in one of the archives.")
    return data


def label_texts(raw: Path, contents: Contents, names: Iterable[str]) -> dict[str, str]:
    """The text of each label file, as `label_files` finds it; InputError if one is no UTF-8 text."""
    texts = {}
    for name, data in label_files(raw, contents, names).items():
        try:
            texts[name] = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(f"{raw}: the label file {name} is no UTF-8 text ({error}).") from error
    return texts


def table(text: str, name: str, columns: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line, row) of a CSV file; InputError if it lacks a column or a row is cut short."""
    columns = list(columns)
    reader = csv.DictReader(text.splitlines())
    absent = [column for column in columns if column not in (reader.fieldnames or ())]
    if absent:
        raise InputError(
            f"{name} has no column {', '.join(absent)}; it has {', '.join(reader.fieldnames or ['none'])}."
        )
    for row in reader:
        if any(row[column] is None for column in columns):
            raise InputError(f"{name}, line {reader.line_num}: the row has fewer columns than the header.")
        yield reader.line_num, row
