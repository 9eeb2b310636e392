"""`make faults`: real kills, damaged files, remotes and odd surroundings, and a table of what came of each.

Every trial of a fault ends in one of these ways: the result is right all the same, byte for byte; a message names
what is wrong; a picture is read as it stands, where its format has no checksum and only that of its archive can
tell; or nobody noticed. The last must never be.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.pipeline.clones import Clone
from tests.pipeline.conftest import made_once, own_site_cache, template

__all__ = ["own_site_cache", "template"]


@dataclass
class Tally:
    """What came of a fault at one kind of place; unnoticed: the trials that nobody noticed."""

    place: str
    fault: str
    mended: int = 0
    refused: int = 0
    as_it_stands: int = 0
    unnoticed: list[str] = field(default_factory=list)
    said: str = ""

    def refuses(self, message: str) -> None:
        self.refused += 1
        self.said = self.said or message.splitlines()[0][:110]

    def row(self) -> str:
        counts = (self.mended, self.refused, self.as_it_stands, len(self.unnoticed))
        cells = (self.place, self.fault, sum(counts), *counts, self.said)
        return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"


TALLIES: list[Tally] = []


@pytest.fixture
def tally():
    """Begin a line of the table; at the end of the test no trial of it may have gone unnoticed."""
    mine: list[Tally] = []

    def begin(place: str, fault: str) -> Tally:
        mine.append(Tally(place, fault))
        return mine[-1]

    yield begin
    TALLIES.extend(mine)
    assert not [(one.place, one.unnoticed) for one in mine if one.unnoticed]


def pytest_terminal_summary(terminalreporter) -> None:
    if TALLIES:
        terminalreporter.section("faults")
        head = "place | fault | tried | right | refused, named | as it stands | unnoticed | what is said"
        lines = [f"| {head} |", f"|{'---|' * 8}", *(one.row() for one in TALLIES)]
        terminalreporter.write_line("\n".join(lines))


def pytest_addoption(parser) -> None:
    parser.addoption("--kills", type=int, default=50, help="so many kills of runs of the profile tiny")


@pytest.fixture(scope="session")
def reference(template, tmp_path_factory):
    """To look at: a clone that ran everything, undisturbed, committed on `main`."""

    def run(folder: Path) -> None:
        clone = template.copy(folder / "clone")
        clone.run("python", "-m", "commands.side_by_side", "2")
        clone.commit("results")

    return Clone(made_once(tmp_path_factory, "reference", run) / "clone")


@pytest.fixture
def done(reference, tmp_path):
    """A copy of it to damage, with a cache of its own."""
    reference.run("cp", "-a", str(reference.path), str(tmp_path / "done"))
    return Clone(tmp_path / "done")


def damage(path: Path, change: Callable[[bytearray], None], keep_time: bool = False) -> Callable[[], None]:
    """Change the bytes of a file in place; returns what puts the right ones back.

    keep_time: as a disk does it, which tells nobody.
    """
    facts, right = path.stat(), path.read_bytes()
    wrong = bytearray(right)
    change(wrong)

    def put(data: bytes) -> None:
        path.chmod(0o644)
        path.write_bytes(data)
        path.chmod(facts.st_mode & 0o777)
        if keep_time:
            os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))

    put(bytes(wrong))
    return lambda: put(right)
