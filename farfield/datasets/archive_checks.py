"""Which members of an archive are refused, whatever kind of archive it is."""

import re
from dataclasses import dataclass
from typing import NoReturn

from farfield.errors import InputError

# Photographs do not compress again, label files and blank pictures do so 10 to 100 times; deflate can
# reach 1032 times, bzip2 and xz much more. What unpacks to little is harmless whatever its ratio.
MOST_RATIO = 200
FREE_BYTES = 64 * 2**20
# Every name is kept to find repeated ones: a few hundred bytes each.
MOST_MEMBERS = 5_000_000
# What is handed out as one piece of memory: no image or label file comes near. Pickles of a whole
# dataset do, and are read as open files.
MOST_IN_MEMORY = 2**30
# A tar gives the size of its extended headers, and tarfile reads each as a whole.
MOST_HEADER = 2**20


class UnusableArchiveError(InputError):
    """An archive is damaged or unsafe: nothing but another file in its place will do."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file or folder of an archive. name: relative, "/" between parts. size: bytes when unpacked."""

    name: str
    size: int
    folder: bool = False


class Judge:
    """Judges the members of one archive in turn; InputError at the first that is unsafe.

    archive: its name, for messages. size: its bytes; of an archive inside another, those of the outermost, so
    that what unpacks in two steps may not weigh more than what unpacks in one.
    """

    def __init__(self, archive: str, size: int) -> None:
        self.archive = archive
        self.seen: dict[str, bool] = {}
        self.unpacked = 0
        self.most = max(FREE_BYTES, MOST_RATIO * size)

    def refuse(self, name: str, reason: str) -> NoReturn:
        raise UnusableArchiveError(
            f"{self.archive} holds an unsafe member: {name!r} {reason}. Official archives hold plain files "
            f"with relative names; get this one again from its publisher, or pack it anew."
        )

    def member(self, name: str, size: int, folder: bool) -> Member | None:
        """The member under its plain name; None for a folder that was named before, or for the root."""
        if size < 0:
            self.refuse(name, "has a negative size")
        self.count(size, name)
        plain = self._plain_name(name)
        if folder and (plain == "" or self.seen.get(plain)):
            return None
        if plain == "":
            self.refuse(name, "has an empty name")
        if plain in self.seen:
            self.refuse(name, "is there twice")
        self.seen[plain] = folder
        if len(self.seen) > MOST_MEMBERS:
            self.refuse(name, f"comes after {MOST_MEMBERS} others, the most that are read")
        return Member(plain, size, folder)

    def count(self, size: int, name: str) -> None:
        """Add unpacked bytes; an archive that unpacks to far more than it weighs is refused."""
        self.unpacked += size
        if self.unpacked > self.most:
            self.refuse(
                name,
                f"makes the archive unpack to {self.unpacked} bytes, beyond {self.most} (the larger of "
                f"{FREE_BYTES} and {MOST_RATIO} times its size)",
            )

    def _plain_name(self, name: str) -> str:
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/"):
            self.refuse(name, "has an absolute name")
        if re.match("[A-Za-z]:", name):
            self.refuse(name, "has a drive letter in its name")
        if "\\" in name or "\0" in name:
            self.refuse(name, "has a backslash or a NUL in its name")
        if ".." in parts:
            self.refuse(name, "leaves its folder with '..'")
        return "/".join(parts)
