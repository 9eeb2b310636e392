"""What two revisions differ in, as values, before it is text, Markdown, JSON or a page."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from commands.diff.causes import Cause, causes
from commands.diff.objects import Objects
from commands.diff.results import compared
from commands.diff.revision import PACKAGES, Revision
from farfield.errors import first_few

if TYPE_CHECKING:
    import pandas as pd

TRAINING = re.compile(r"pipelines/.*training/[^/]+\.json")  # facts of how a network was trained


@dataclass(frozen=True)
class Turn:
    """A claim whose verdict is another one; differences are None where it was not tested."""

    claim: str
    before: str
    after: str
    differences: tuple[float | None, float | None]


@dataclass(frozen=True)
class Told:
    """lines: of `two_runs.marked`, the largest first. turned: claims. new, gone: rows, as "study row". causes:
    what changed and the rows that are made of it. machine: what is said if nothing that is declared differs.
    same: results that are the same bytes; changed: those that are not. outdated: by side stages whose results are
    of other parameters than its params/ asks for."""

    before: str
    after: str
    turned: tuple[Turn, ...]
    lines: "pd.DataFrame"
    new: tuple[str, ...]
    gone: tuple[str, ...]
    causes: Mapping[Cause, tuple[str, ...]]
    machine: str
    same: int
    changed: int
    outdated: Mapping[str, tuple[str, ...]]

    @property
    def named(self) -> "pd.DataFrame":
        """The lines that chance alone does not explain."""
        return self.lines[self.lines["beyond"].astype(bool)]

    @property
    def rest(self) -> "pd.DataFrame":
        """Those within their intervals."""
        return self.lines[~self.lines["beyond"].astype(bool) & self.lines["ci95"].notna()]

    @property
    def untold(self) -> "pd.DataFrame":
        """Those of one training each, of which nothing is known but the difference."""
        return self.lines[self.lines["ci95"].isna()]


def told(objects: Objects, before: Revision, after: Revision) -> Told:
    """InputError if results are nowhere to be had."""
    found = compared(objects, (before, after))
    lines = found.lines.assign(size=_sizes(found.lines)).sort_values("size", ascending=False, kind="stable")
    outs: dict[str, list[str]] = {
        path: [] for path in found.outs.values() if path in before.outs and path in after.outs
    }
    for (study, row), path in found.outs.items():
        if path in outs:
            outs[path].append(f"{study} {row}")
    differ = [path for path in outs if before.outs[path] != after.outs[path]]
    why = causes(before, after, differ)
    rows: dict[Cause, list[str]] = {}
    for path, own in why.by_out.items():
        for cause in own:
            rows.setdefault(cause, []).extend(outs[path])
    return Told(
        before=str(before),
        after=str(after),
        turned=tuple(_turned(before.claims, after.claims)),
        lines=lines.drop(columns="size"),
        new=tuple(found.new),
        gone=tuple(found.gone),
        causes={cause: tuple(names) for cause, names in rows.items()},
        machine=_machine(objects, (before, after), why.elsewhere) if differ and why.another_machine else "",
        same=found.same,
        changed=len(differ),
        outdated={str(side): tuple(side.outdated) for side in (before, after) if side.outdated},
    )


def _sizes(lines: "pd.DataFrame") -> "pd.Series":
    """How large a difference is: points of accuracy, and percent of what another metric was."""
    relative = 100 * lines["difference"].abs() / lines["before"].abs()
    return lines["difference"].abs().where(lines["metric"] == "accuracy", relative)


def _turned(before: Any, after: Any, name: str = "") -> Iterator[Turn]:
    for key in before if isinstance(before, dict) and isinstance(after, dict) else ():
        if key not in after:
            continue
        one, two = before[key], after[key]
        path = f"{name}.{key}" if name else key
        if isinstance(one, dict) and "verdict" in one and isinstance(two, dict):
            if one["verdict"] != two.get("verdict"):
                apart = (one.get("difference"), two.get("difference"))
                yield Turn(path, one["verdict"], str(two.get("verdict")), apart)
        else:
            yield from _turned(one, two, path)


def _machine(objects: Objects, sides: tuple[Revision, Revision], elsewhere: Mapping[str, list[str]]) -> str:
    origins = list(dict.fromkeys(path for own in elsewhere.values() for path in own))
    devices: list[set[str]] = [set(), set()]
    for path in (path for path in sides[0].outs if TRAINING.fullmatch(path)):
        for side, known in zip(sides, devices, strict=True):
            place = objects.path(side.outs.get(path, "0" * 32))
            known |= {str(json.loads(place.read_bytes()).get("device"))} if place.exists() else set()
    one, two = (", ".join(sorted(known)) for known in devices)
    why = (
        f"one computed on {one}, the other on {two}"
        if one and two and one != two
        else "processors round differently"
    )
    if sides[0].tracked.get(PACKAGES) != sides[1].tracked.get(PACKAGES):
        why = f"{PACKAGES} names other versions of packages, or {why}"
    return (
        f"Parameters, code and data are the same, and {first_few(origins, shown=1)} differ all the same, as "
        f"between machines: {why}. All differences come of that."
    )
