"""What people hand over, a folder, an archive or one file, as one list of files."""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from farfield.datasets import archives
from farfield.datasets.archive_checks import MOST_IN_MEMORY
from farfield.datasets.decoders import SUFFIXES, holds_image
from farfield.datasets.visible import is_litter, opened, visible_paths
from farfield.errors import InputError


@dataclass(frozen=True, slots=True)
class File:
    """archive, member: where it lies, as in `Source`. parts: its folders and its name; an archive is the folder
    that it would be unpacked to. path: what it is called, unique among the files. told: whether it is an image by
    its content, though its name has no suffix."""

    archive: str
    member: str
    parts: tuple[str, ...]
    path: str
    told: bool = False

    @property
    def is_image(self) -> bool:
        return self.told or self.parts[-1].lower().endswith(SUFFIXES)

    def ends(self, *suffixes: str) -> bool:
        return self.parts[-1].lower().endswith(suffixes)


@dataclass(frozen=True)
class Holdings:
    """given: what was handed over. root: the folder that places in records are relative to. folders: in parts,
    the empty ones too. unopened: archives that lie beside images and are not looked into."""

    given: Path
    root: Path
    files: tuple[File, ...]
    folders: frozenset[tuple[str, ...]] = frozenset()
    unopened: frozenset[str] = frozenset()

    @cached_property
    def images(self) -> tuple[File, ...]:
        return tuple(file for file in self.files if file.is_image)

    def others(self, used: Container[str], why: str) -> dict[str, str]:
        """{path: reason} of all files but the used ones; `why` images are not used."""
        reasons = {file.path: why if file.is_image else "no image by its name" for file in self.files}
        reasons |= dict.fromkeys(self.unopened, "an archive beside images, not opened")
        return {path: reason for path, reason in reasons.items() if path not in used}

    def read(self, files: Iterable[File]) -> Iterator[tuple[File, bytes]]:
        """Yield the bytes of each label file, of an archive in one pass. InputError if one is too large."""
        packed: defaultdict[str, dict[str, File]] = defaultdict(dict)
        for file in files:
            if file.archive:
                packed[file.archive][file.member] = file
                continue
            with opened(self.root / file.member) as source:
                data = source.read(MOST_IN_MEMORY + 1)
            if len(data) > MOST_IN_MEMORY:
                raise InputError(
                    f"{self.root / file.member} is larger than {MOST_IN_MEMORY} bytes, too much for labels."
                )
            yield file, data
        for archive, members in packed.items():
            for member, data in archives.stream(self.root / archive, members):
                yield members[member], data


def holdings_of(given: Path) -> Holdings:
    """The files of a folder, of an archive or one file by itself; archives in archives are opened.

    In a folder without a loose image, the archives are opened too. InputError if there is nothing, or an
    archive is damaged or unsafe.
    """
    if not given.exists():
        raise InputError(
            f"{given} does not exist; expected a folder with one folder of images for each class."
        )
    if given.is_dir():
        paths = visible_paths(given)
        loose = [path.relative_to(given) for path in paths if path.is_file()]
        folders = {path.relative_to(given).parts for path in paths if path.is_dir()}
        packed = [path for path in loose if _is_archive(path.name)]
        files = [loose_file(given, path.as_posix()) for path in loose]
        if any(file.is_image for file in files):
            unopened = frozenset(path.as_posix() for path in packed)
            return Holdings(given, given, tuple(files), frozenset(folders), unopened)
        files = [file for file in files if not _is_archive(file.parts[-1])]
        root = given
    else:
        root, files, folders, packed = given.parent, [], set(), [Path(given.name)]
        if not _is_archive(given.name):
            return Holdings(given, root, (loose_file(root, given.name),))
    found = [part for archive in packed for part in _unpacked(root, archive.as_posix())]
    several = len({archive for archive, _, _ in found}) > 1
    for archive, member, folder in found:
        parts = (*_unpacked_name(archive), *PurePosixPath(member).parts)
        if folder:
            folders.add(parts)
        else:
            files.append(File(archive, member, parts, f"{archive}/{member}" if several else member))
    return Holdings(given, root, tuple(files), frozenset(folders))


def around(given: Path) -> Holdings:
    """The files in the folder of a label file. InputError if no image is among them."""
    found = holdings_of(given.parent)
    if not found.images:
        raise InputError(
            f"no image lies beside {given.name} or below its folder, {given.parent}; give the folder that holds "
            f"both the images and {given.name} in its place."
        )
    return found


def loose_file(root: Path, path: str) -> File:
    """The file that lies at `path` below `root`, in no archive."""
    return File("", path, PurePosixPath(path).parts, path, holds_image(root / path))


def _is_archive(name: str) -> bool:
    return name.lower().endswith(archives.SUFFIXES)


def _unpacked(root: Path, archive: str) -> Iterator[tuple[str, str, bool]]:
    """(archive, member, whether it is a folder) of what lies in an archive and in the archives in it."""
    for member in archives.scan(root / archive):
        if is_litter(member.name.split("/")):
            continue
        if not member.folder and _is_archive(member.name):
            yield from _unpacked(root, f"{archive}/{member.name}")
        else:
            yield archive, member.name, member.folder


def _unpacked_name(archive: str) -> tuple[str, ...]:
    """train.tar.gz/a.zip as the folders train, a."""
    return tuple(
        next((part[: -len(s)] for s in archives.SUFFIXES if part.lower().endswith(s)), part) or part
        for part in archive.split("/")
    )
