"""Images by what label files call them, which is seldom exactly what the archive calls them."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from farfield.datasets.decoders import SUFFIXES
from farfield.errors import InputError

Place = tuple[str, str]  # archive, member

LONGEST_FIRST = sorted(SUFFIXES, key=len, reverse=True)
# Endings that are two spellings of one format.
SPELLINGS = {
    ".jpeg": ".jpg",
    ".jpe": ".jpg",
    ".jfif": ".jpg",
    ".tiff": ".tif",
    ".dib": ".bmp",
    ".apng": ".png",
}


class ImagesByName:
    """Finds an image by the name that a list gives it.

    The list may leave out folders above the image or have folders more (an absolute path of the machine where
    it was made), write backslashes, other capitals, accents composed otherwise, .jpeg for .JPG, or no ending. It
    may not say another folder or another format. raw: what the images are in, for messages.
    """

    def __init__(self, raw: Path, places: Iterable[Place]) -> None:
        self.raw = raw
        self._by_stem: defaultdict[str, list[tuple[tuple[str, ...], str, Place]]] = defaultdict(list)
        for place in places:
            folders, stem, ending = _taken_apart(place[1])
            self._by_stem[stem].append((folders, ending, place))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self._found(name))

    def __getitem__(self, name: str) -> Place:
        """InputError if several images fit the name; KeyError if none does."""
        if not (found := self._found(name)):
            raise KeyError(name)
        if len(found) > 1:
            first, second = ("/".join(filter(None, place)) for place in found[:2])
            raise InputError(
                f"{self.raw}: the image {name} is both in {first} and {second}; have the list name a folder too, "
                f"or take one of them out."
            )
        return found[0]

    def called(self, name: str, folder: str) -> str:
        """`name` as seen from the folder in which the list lies, if an image is there; else `name`."""
        seen = f"{folder}/{name}" if folder not in ("", ".") else name
        return seen if seen in self else name

    def values(self) -> list[Place]:
        return [place for found in self._by_stem.values() for _, _, place in found]

    def near(self, name: str) -> str:
        """What is there and comes near to a name that nothing fits; empty if nothing does."""
        _, stem, _ = _taken_apart(name)
        if stem not in self._by_stem:
            return ""
        return f" (there is {'/'.join(filter(None, self._by_stem[stem][0][2]))})"

    def _found(self, name: str) -> list[Place]:
        folders, stem, ending = _taken_apart(name)
        fitting = [
            (len(there) == len(folders), there, place)
            for there, suffix, place in self._by_stem.get(stem, ())
            if ending in ("", suffix) and _one_ends_the_other(there, folders)
        ]
        exact = [place for same, _, place in fitting if same]
        spelt = [place for place in exact or [p for _, _, p in fitting] if place[1].endswith(name)]
        return spelt or exact or [place for _, _, place in fitting]


def _taken_apart(name: str) -> tuple[tuple[str, ...], str, str]:
    """(folders, stem, ending of an image or "") in one spelling."""
    plain = unicodedata.normalize("NFC", name.strip()).casefold().replace("\\", "/")
    *folders, file = [part for part in plain.split("/") if part not in ("", ".")] or [""]
    ending = next((suffix for suffix in LONGEST_FIRST if file.endswith(suffix)), "")
    return tuple(folders), file.removesuffix(ending), SPELLINGS.get(ending, ending)


def _one_ends_the_other(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    common = min(len(one), len(other))
    return one[len(one) - common :] == other[len(other) - common :]
