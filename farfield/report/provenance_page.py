"""The page on what ran: code, profile, seeds, versions and parameters, and how to cite it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypedDict

from farfield.report.answers import counted
from farfield.report.cells import Cell, Column, Table, words
from farfield.report.site import Page

# A page of more parameters than these is no longer read; they stand in a file.
LISTED_PARAMETERS = 60


class Code(TypedDict):
    """What drew the pages. commit: the last one that changed any of the code or parameters, "" where it is not
    known; date: of that commit; changed: whether there are changes that are not committed."""

    commit: str
    date: str
    changed: bool


class Provenance(TypedDict):
    """What a run was. `parameters` may be nested."""

    profile: str
    seeds: Mapping[str, int]
    versions: Mapping[str, str]
    device: str
    code: Code
    parameters: Mapping[str, Any]


def provenance_page(provenance: Provenance) -> Page:
    """Everything that a second run needs to be the same run."""
    parameters = dict(_flat(provenance["parameters"]))
    grids = [
        _pairs("Seeds", "Stream", "Seed", provenance["seeds"]),
        _pairs("Versions", "Package", "Version", provenance["versions"]),
    ]
    listed = _pairs("Parameters", "Key", "Value", parameters)
    context = {
        "provenance": provenance,
        "tables": [grid for grid in grids if grid.rows],
        "listed": listed if len(parameters) <= LISTED_PARAMETERS else None,
        "count": len(parameters),
    }
    file = json.dumps(provenance["parameters"], indent=2, ensure_ascii=False, default=str) + "\n"
    answer = counted(
        "provenance", "Provenance", f"{in_words(provenance['code'])} Profile {provenance['profile']}."
    )
    assets = {"parameters.json": file.encode()}
    return Page("provenance", "Provenance", "provenance.html.j2", context, assets, answer=answer)


def in_words(code: Code) -> str:
    """In a sentence."""
    if not code["commit"]:
        return "Drawn by code of which no commit is known."
    changed = ", with changes that are not committed" if code["changed"] else ""
    return f"Drawn by the code of commit {code['commit'][:12]} of {code['date']}{changed}."


def _pairs(caption: str, key: str, value: str, pairs: Mapping[str, Any]) -> Table:
    rows = tuple(
        (words(name), Cell(str(found), value=_sort_value(found), kind="text"))
        for name, found in pairs.items()
    )
    return Table(caption, (Column(key), Column(value)), rows)


def _flat(parameters: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """(dotted key, value in words) of every leaf."""
    for key, value in parameters.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, list | tuple):
            yield name, ", ".join(map(str, value))
        else:
            yield name, "" if value is None else str(value)


def _sort_value(value: Any) -> float | str:
    return float(value) if isinstance(value, int | float) else str(value).lower()
