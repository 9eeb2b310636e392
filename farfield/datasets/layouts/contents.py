"""What the archives of one dataset hold: images by name, and label files."""

import csv
import io
from collections.abc import Container, Iterable, Iterator
from pathlib import Path, PurePosixPath

from farfield.datasets import archives
from farfield.datasets.archive_checks import Member
from farfield.datasets.decoders import SUFFIXES
from farfield.datasets.layouts.names import ImagesByName
from farfield.datasets.visible import is_litter
from farfield.errors import InputError, first_few

Contents = dict[str, tuple[Member, ...]]


def archives_in(raw: Path) -> list[Path]:
    return sorted(path for path in raw.glob("*") if path.name.lower().endswith(archives.SUFFIXES))


def contents_of(raw: Path, inner: bool = True) -> Contents:
    """The members of every archive in `raw`, by the archive's name, without what desktops leave behind.

    inner: an archive that holds archives and no image is followed by those, under `<archive>/<archive>`.
    InputError if there is no archive, or one that is unsafe or damaged.
    """
    if not (paths := archives_in(raw)):
        raise InputError(f"{raw} holds no archive ({', '.join(archives.SUFFIXES)}); download it first.")
    return {name: members for path in paths for name, members in _with_inner(raw, path.name, inner)}


def _with_inner(raw: Path, name: str, inner: bool) -> Iterator[tuple[str, tuple[Member, ...]]]:
    members = tuple(m for m in archives.scan(raw / name) if not is_litter(m.name.split("/")))
    yield name, members
    if inner and not any(map(is_image, members)):
        for member in members:
            if not member.folder and member.name.lower().endswith(archives.SUFFIXES):
                yield from _with_inner(raw, f"{name}/{member.name}", inner)


def is_image(member: Member) -> bool:
    return not member.folder and member.name.lower().endswith(SUFFIXES)


def images_by_name(raw: Path, contents: Contents) -> ImagesByName:
    """All images, to be found by what label files call them."""
    return ImagesByName(
        raw, ((archive, m.name) for archive, members in contents.items() for m in members if is_image(m))
    )


def require_images(raw: Path, archive_names: Iterable[str], used: Iterable[str]) -> None:
    """InputError that names the archives from which nothing is used."""
    used = set(used)
    around = {name for name in archive_names if any(other.startswith(f"{name}/") for other in used)}
    idle = sorted(set(archive_names) - used - around)
    if idle:
        raise InputError(
            f"{raw / idle[0]} holds no image that belongs to the dataset; check that it is the right "
            f"file and that the card's layout and options fit it."
        )


def require_found(labels: str, names: Iterable[str], images: Container[str], raw: Path) -> None:
    """InputError that names the label file and the images that it speaks of in vain."""
    missing = [name for name in names if name not in images]
    if missing:
        near = images.near if isinstance(images, ImagesByName) else lambda _: ""
        shown = first_few([name + near(name) for name in missing], shown=3)
        raise InputError(
            f"{labels} names images that no archive in {raw} holds: {shown}. An archive is incomplete, or "
            f"the labels belong to another release."
        )


def label_files(raw: Path, contents: Contents, names: Iterable[str]) -> dict[str, bytes]:
    """The bytes of each label file, which lies in `raw` itself or somewhere in one of its archives, its name in
    any case of letters.

    InputError if a file is nowhere, or at several places and not the same at each.
    """
    wanted = {name.lower(): name for name in names}
    beside = {path.name: path for path in raw.iterdir() if path.is_file()} if raw.is_dir() else {}
    data = {
        wanted[name.lower()]: path.read_bytes() for name, path in beside.items() if name.lower() in wanted
    }
    found: dict[str, bytes] = {}
    for archive, members in contents.items():
        inside = {
            member.name: wanted[last]
            for member in members
            if not member.folder and (last := PurePosixPath(member.name).name.lower()) in wanted
        }
        inside = {member: name for member, name in inside.items() if name not in data}
        for member, content in archives.stream(raw / archive, inside):
            if found.setdefault(inside[member], content) != content:
                raise InputError(f"{raw}: the archives hold several files named {inside[member]}.")
    data |= found
    for name in wanted.values():
        if name not in data:
            raise InputError(f"{raw}: the label file {name} is neither there nor in one of the archives.")
    return {name: data[name] for name in wanted.values()}


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
    """Yield (line, row) of a CSV file, the cells without spaces around them; InputError if it lacks a column or a
    row is cut short."""
    columns = list(columns)
    rows = csv.reader(io.StringIO(text, newline=""))
    try:
        header = [cell.strip() for cell in next(rows, [])]
        if absent := [column for column in columns if column not in header]:
            raise InputError(
                f"{name} has no column {', '.join(absent)}; it has {', '.join(header) or 'none'}."
            )
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) <= max(header.index(column) for column in columns):
                raise InputError(f"{name}, line {rows.line_num}: the row has fewer columns than the header.")
            yield rows.line_num, {column: row[header.index(column)].strip() for column in columns}
    except csv.Error as error:
        raise InputError(f"{name}, line {rows.line_num}: no line of a CSV file ({error}).") from error
