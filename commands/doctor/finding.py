"""What the doctor finds, and where it puts what it takes out of the way."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from farfield.errors import first_few

SET_ASIDE = Path(".farfield/set-aside")


FIRST, LINK, FETCH = range(3)  # the order of repairs


@dataclass(frozen=True)
class Finding:
    """what: is wrong, with its file. costs: what follows if it stays. cure: what to do. repair: does it, where it
    can be done without losing anything. order: of its repair among the others."""

    what: str
    costs: str
    cure: str
    repair: Callable[[], None] | None = None
    order: int = FIRST

    def __str__(self) -> str:
        return f"- {self.what}\n  costs: {self.costs}\n  cure: {self.cure}"


def set_aside(path: Path, name: str = "") -> None:
    """Move a file, whose bytes may be nowhere else, out of the way. Nothing that the doctor finds is deleted."""
    place = SET_ASIDE / (name or path.as_posix().lstrip("/"))
    number = 0
    while place.exists():
        number += 1
        place = place.with_name(f"{place.name.removesuffix(f'.{number - 1}')}.{number}")
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(path, place)
    print(f"  {path} now lies in {place}")


def some(names: Sequence[object]) -> str:
    """The first of many, and how many more; files as seen from here."""
    words = [os.path.relpath(name) if isinstance(name, Path) else str(name) for name in names]
    return first_few(words, shown=3)
